FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /app
COPY requirements.txt requirements-build.txt ./
RUN /app/bin/pip install --no-cache-dir --require-hashes -r requirements.txt \
    && python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN /build/bin/python -m hatchling build -t wheel \
    && /app/bin/pip install --no-cache-dir --no-deps dist/*.whl \
    && /app/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="smarthub-exporter" \
      org.opencontainers.image.description="Prometheus exporter for usage and cost from NISC SmartHub portals" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10058 smarthub \
    && useradd --uid 10058 --gid 10058 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin smarthub \
    && install -d -o 10058 -g 10058 -m 0700 /var/lib/smarthub-exporter
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SMARTHUB_STATE_DIR=/var/lib/smarthub-exporter
USER 10058:10058
VOLUME /var/lib/smarthub-exporter
EXPOSE 10058
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m --timeout=10s --start-period=10s CMD ["smarthub-exporter", "healthcheck"]
ENTRYPOINT ["smarthub-exporter"]
CMD ["serve"]
