// Query results -> data frames, as Grafana's Prometheus data source and its panels make them.
import {
  FieldType,
  applyFieldOverrides,
  createTheme,
  FieldConfigOptionsRegistry,
  getFieldDisplayName,
  standardTransformers,
  standardTransformersRegistry,
  stringToJsRegex,
  toDataFrame,
  transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';
import { map } from 'rxjs/operators';

export const theme = createTheme({ colors: { mode: 'dark' } });

function legendOf(format, labels) {
  if (!format || format === '__auto') {
    const shown = Object.entries(labels).filter(([name]) => name !== '__name__');
    return shown.map(([, value]) => value).join(', ') || 'Value';
  }
  return format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, name) => labels[name] ?? '');
}

const pointsOf = (query, series) => (query.instant ? [series.value] : series.values);

function graphFrame(query, series) {
  const points = pointsOf(query, series);
  return toDataFrame({
    refId: query.ref,
    meta: { type: query.instant ? 'numeric-multi' : 'timeseries-multi' },
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        config: { interval: query.step * 1000 },
        values: points.map(([seconds]) => seconds * 1000),
      },
      {
        name: 'Value',
        type: FieldType.number,
        labels: series.metric,
        config: { displayNameFromDS: legendOf(query.legend, series.metric) },
        values: points.map(([, value]) => Number(value)),
      },
    ],
  });
}

function tableFrame(query, isOnly) {
  const labels = [...new Set(query.series.flatMap((each) => Object.keys(each.metric)))].sort();
  const rows = query.series.flatMap((each) => pointsOf(query, each).map((point) => [point, each.metric]));
  return toDataFrame({
    refId: query.ref,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: rows.map(([point]) => point[0] * 1000) },
      ...labels.map((name) => ({
        name,
        type: FieldType.string,
        config: {},
        values: rows.map(([, metric]) => metric[name] ?? ''),
      })),
      {
        name: isOnly ? 'Value' : `Value #${query.ref}`,
        type: FieldType.number,
        config: {},
        values: rows.map(([point]) => Number(point[1])),
      },
    ],
  });
}

export function framesOf(panel) {
  const tables = panel.queries.filter((query) => query.format === 'table');
  return panel.queries.flatMap((query) => {
    if (query.format !== 'table') {
      return query.series.map((series) => graphFrame(query, series));
    }
    return query.series.length ? [tableFrame(query, tables.length === 1)] : [];
  });
}

// Lives in Grafana's core; here only for regular expressions with named groups, which add a field each.
const extractFields = {
  id: 'extractFields',
  defaultOptions: {},
  operator: (options) => (source) => source.pipe(map((frames) => frames.map((frame) => extracted(frame, options)))),
};

function extracted(frame, { source, regExp }) {
  const field = frame.fields.find((each) => getFieldDisplayName(each, frame) === source);
  if (!field) {
    return frame;
  }
  const groups = field.values.map((value) => String(value).match(stringToJsRegex(regExp))?.groups ?? {});
  const names = Object.keys(groups.find((each) => Object.keys(each).length) ?? {});
  const added = names.map((name) => ({
    name,
    type: FieldType.string,
    config: {},
    values: groups.map((each) => each[name]),
  }));
  return { ...frame, fields: [...frame.fields, ...added] };
}

standardTransformersRegistry.setInit(() => {
  const known = new Map([...Object.values(standardTransformers), extractFields].map((each) => [each.id, each]));
  return [...known.values()].map((each) => ({
    id: each.id,
    name: each.id,
    transformation: () => Promise.resolve(each),
    editor: () => null,
  }));
});

// Grafana defines these options beside their editors, in its core. All of them are taken as they are.
const OPTIONS = ['unit', 'decimals', 'min', 'max', 'displayName', 'color', 'thresholds', 'mappings', 'noValue', 'links'];
const CUSTOM = [
  'align', 'axisLabel', 'axisPlacement', 'axisSoftMax', 'axisSoftMin', 'axisWidth', 'barAlignment', 'cellOptions',
  'drawStyle', 'fillBelowTo', 'fillOpacity', 'gradientMode', 'hideFrom', 'inspect', 'insertNulls', 'lineInterpolation',
  'lineStyle', 'lineWidth', 'minWidth', 'pointSize', 'scaleDistribution', 'showPoints', 'spanNulls', 'stacking',
  'thresholdsStyle', 'width',
];
const option = (id, path, isCustom) => ({
  id,
  path,
  isCustom,
  name: id,
  settings: {},
  editor: () => null,
  override: () => null,
  process: (value) => value,
  // Grafana keeps the time axis out of what is set for values.
  shouldApply: (field) => !isCustom || field.type !== FieldType.time,
});
const registry = new FieldConfigOptionsRegistry(() => [
  ...OPTIONS.map((id) => option(id, id, false)),
  ...CUSTOM.map((id) => option(`custom.${id}`, id, true)),
]);

const GRAPH = {
  axisColorMode: 'text', axisGridShow: true, axisLabel: '', axisPlacement: 'auto', barAlignment: 0, barWidthFactor: 0.6,
  drawStyle: 'line', fillOpacity: 0, gradientMode: 'none', hideFrom: { legend: false, tooltip: false, viz: false },
  insertNulls: false, lineInterpolation: 'linear', lineWidth: 1, pointSize: 5, scaleDistribution: { type: 'linear' },
  showPoints: 'auto', spanNulls: false, stacking: { mode: 'none', group: 'A' }, thresholdsStyle: { mode: 'off' },
};
const CUSTOM_DEFAULTS = {
  timeseries: GRAPH,
  barchart: { ...GRAPH, fillOpacity: 80 },
  table: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false },
};

// The defaults of each kind of panel, under what the dashboard sets.
export function configOf(panel) {
  const { defaults, overrides } = panel.fieldConfig;
  const steps = defaults.thresholds?.steps ?? [{ color: 'green', value: null }, { color: 'red', value: 80 }];
  return {
    defaults: {
      ...defaults,
      color: defaults.color ?? { mode: panel.type in { stat: 1, table: 1 } ? 'thresholds' : 'palette-classic' },
      thresholds: {
        mode: defaults.thresholds?.mode ?? 'absolute',
        steps: steps.map((each) => ({ ...each, value: each.value ?? -Infinity })),
      },
      custom: { ...CUSTOM_DEFAULTS[panel.type], ...defaults.custom },
    },
    overrides,
  };
}

export async function shownFrames(panel, config) {
  const same = (text) => text;
  const data = await firstValueFrom(
    transformDataFrame(panel.transformations ?? [], framesOf(panel), { interpolate: same })
  );
  return applyFieldOverrides({
    data,
    fieldConfig: config,
    fieldConfigRegistry: registry,
    replaceVariables: same,
    theme,
    timeZone: '',
  });
}
