#!/bin/sh
# Load the history once, as the service "history" of docker-compose.yml.
#
# What was loaded is noted in the state volume, so that later starts do nothing; another login or another HISTORY_START
# loads again. A failed or partly done run is resumed after 1, 2, 4 and 8 hours, which spares the portal, and then at
# the next `docker compose up`. After a reboot it also needs that, because Docker restarts no service that may end.
# Rejected sign-ins are counted in the state, together with those of the exporter.
set -u

note=$SMARTHUB_STATE_DIR/history-loaded
# A digest, since the user name is usually an email address.
wanted=$(printf '%s\n' "$SMARTHUB_API_URL" "$SMARTHUB_USERNAME" "$SMARTHUB_ACCOUNT" "$SMARTHUB_SERVICE_LOCATION" \
    "$HISTORY_START" | sha256sum)

if [ -z "$HISTORY_START" ]; then
    echo 'HISTORY_START is empty: not loading history'
    exit 0
fi
if [ "$(cat "$note" 2>/dev/null)" = "$wanted" ]; then
    echo 'history is already loaded: nothing to do'
    exit 0
fi

# A shell waits for a program in the foreground before it handles a signal, and `docker compose stop` only waits 10 s.
child=
trap 'kill "$child" 2>/dev/null; wait "$child"; exit $?' TERM INT
run() {
    "$@" &
    child=$!
    wait "$child"
}

for hours in 1 2 4 8 0; do
    run smarthub-exporter backfill --start "$HISTORY_START" --yes
    code=$?
    if [ "$code" = 0 ]; then
        echo "$wanted" >"$note"
        echo 'history is loaded'
        exit 0
    fi
    echo "history is not completely loaded (exit code $code)" >&2
    # The backfill itself names a program that the machine of the stack may not have.
    echo "in the stack, 'smarthub-exporter backfill' is 'docker compose run --rm backfill'" >&2
    # 2: the configuration is wrong, and waiting does not fix it.
    if [ "$code" = 2 ] || [ "$hours" = 0 ]; then
        echo "to resume, run: docker compose up -d" >&2
        exit "$code"
    fi
    echo "will resume in $hours h; after a reboot, run: docker compose up -d" >&2
    run sleep "$((hours * 3600))"
done
