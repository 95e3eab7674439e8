// A dashboard drawn with Grafana's own libraries. Reads window.DASHBOARD; writes what a person reads to window.SHOWN.
import { Component, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import {
  FieldType,
  ThemeContext,
  applyNullInsertThreshold,
  cacheFieldDisplayNames,
  dateTime,
  dateTimeFormat,
  formattedValueToString,
  getDisplayValueAlignmentFactors,
  getFieldDisplayName,
  getFieldDisplayValues,
  setTimeZoneResolver,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { BigValue, GlobalStyles, PanelChrome, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import 'uplot/dist/uPlot.min.css';
import { Bars } from './bars.jsx';
import { configOf, shownFrames, theme } from './frames.js';

const { title, panels, from, to, timeZone, variables } = window.DASHBOARD;
const COLUMNS = 24;
const ROW = 38;
const GAP = 8;
const LOOK_EVERY = 200;
const SHOWN = 'M/D/YYYY, h:mm A';
const CONTENT = { table: '[role=gridcell]', timeseries: 'canvas', barchart: 'canvas' };

const shown = {};
const errors = [];
window.addEventListener('error', (event) => errors.push(event.message));
window.addEventListener('unhandledrejection', (event) => errors.push(String(event.reason)));

// What a dashboard without a time zone of its own uses: the user's, else GF_DATE_FORMATS_DEFAULT_TIMEZONE.
setTimeZoneResolver(() => timeZone);
const timeRange = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };

// Texts on a canvas, such as those of an axis, can only be read while they are drawn.
const drawn = new WeakMap();
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function remember(text, ...where) {
  drawn.set(this.canvas, (drawn.get(this.canvas) ?? new Set()).add(String(text)));
  return fillText.call(this, text, ...where);
};

const textOf = (field, value) => {
  if (value == null) {
    return '';
  }
  if (field.type === FieldType.time && !field.config.unit) {
    return dateTimeFormat(value);
  }
  return formattedValueToString(field.display(value));
};

// Every column of every frame: its name as displayed, and its values as displayed.
const columnsOf = (frames) =>
  frames.map((frame) =>
    frame.fields.map((field) => ({
      name: getFieldDisplayName(field, frame, frames),
      texts: field.values.map((value) => textOf(field, value)),
    }))
  );

function Stats({ panel, config, frames, width, height }) {
  const { reduceOptions, colorMode, graphMode, justifyMode, orientation, textMode } = panel.options;
  const getValues = () =>
    getFieldDisplayValues({
      data: frames,
      fieldConfig: config,
      reduceOptions,
      replaceVariables: (text) => text,
      theme,
      timeZone: '',
      sparkline: false,
    });
  shown[panel.title].values = getValues().map(({ display }) => ({
    name: display.title,
    text: formattedValueToString(display),
  }));
  return (
    <VizRepeater
      getValues={getValues}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, alignmentFactors, width: wide, height: high, count }) => (
        <BigValue
          value={value.display}
          count={count}
          alignmentFactors={alignmentFactors}
          colorMode={colorMode}
          graphMode={graphMode}
          justifyMode={justifyMode}
          textMode={textMode === 'auto' && count > 1 ? 'value_and_name' : textMode}
          width={wide}
          height={high}
          theme={theme}
        />
      )}
      width={width}
      height={height}
      source={panel}
      itemSpacing={3}
      renderCounter={0}
      autoGrid
      orientation={orientation}
    />
  );
}

function Lines({ panel, frames, width, height }) {
  const finite = (field) =>
    field.type === FieldType.number
      ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) }
      : field;
  const complete = frames.map((frame) =>
    applyNullInsertThreshold({ frame: { ...frame, fields: frame.fields.map(finite) } })
  );
  return (
    <TimeSeries
      frames={complete}
      structureRev={1}
      timeRange={timeRange}
      timeZone=""
      width={width}
      height={height}
      legend={panel.options.legend}
      options={panel.options}
      theme={theme}
    >
      {() => null}
    </TimeSeries>
  );
}

const Table = ({ panel, config, frames, width, height }) => (
  <TableNG
    data={frames[0]}
    width={width}
    height={height}
    timeRange={timeRange}
    cellHeight={panel.options.cellHeight}
    noHeader={!panel.options.showHeader}
    enableSharedCrosshair={false}
    fieldConfig={config}
    structureRev={1}
    initialSortBy={[]}
    getActions={() => []}
    disableSanitizeHtml={false}
  />
);

const Drawings = { stat: Stats, timeseries: Lines, table: Table, barchart: ({ frames, ...rest }) => <Bars frame={frames[0]} {...rest} /> };

function Drawing({ panel, width, height }) {
  const [result, setResult] = useState(null);
  useEffect(() => {
    const config = configOf(panel);
    shownFrames(panel, config).then((frames) => {
      cacheFieldDisplayNames(frames);
      shown[panel.title] = { type: panel.type, frames: columnsOf(frames) };
      setResult({ config, frames });
    });
  }, []);
  if (result === null) {
    return null;
  }
  if (!result.frames.some((frame) => frame.length)) {
    const text = panel.fieldConfig.defaults.noValue ?? 'No data';
    shown[panel.title].nothing = text;
    return <div style={{ textAlign: 'center', paddingTop: height / 2 - 16, color: theme.colors.text.secondary }}>{text}</div>;
  }
  const Kind = Drawings[panel.type];
  return <Kind panel={panel} width={width} height={height} {...result} />;
}

class Guard extends Component {
  state = {};

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    errors.push(`${this.props.title}: ${error.stack}`);
  }

  render() {
    return this.state.error ? String(this.state.error) : this.props.children;
  }
}

function Box({ panel }) {
  const cell = (window.innerWidth - GAP) / COLUMNS;
  const { x, y, w, h } = panel.gridPos;
  const [width, height] = [w * cell - GAP, h * ROW - GAP];
  const style = { position: 'absolute', left: GAP + x * cell, top: y * ROW, width, height };
  if (panel.type === 'row') {
    const { h5 } = theme.typography;
    return <div style={{ ...style, ...h5, paddingTop: 6 }}>{`${panel.collapsed ? '›' : '⌄'} ${panel.title}`}</div>;
  }
  return (
    <div style={style} data-panel={panel.title}>
      <Guard title={panel.title}>
        <PanelChrome title={panel.title} width={width} height={height}>
          {(innerWidth, innerHeight) => <Drawing panel={panel} width={innerWidth} height={innerHeight} />}
        </PanelChrome>
      </Guard>
    </div>
  );
}

function Header() {
  const label = { color: theme.colors.text.secondary, marginRight: 6 };
  return (
    <div style={{ height: ROW, padding: `0 ${GAP}px`, ...theme.typography.body }}>
      <b style={{ marginRight: 24 }}>{title}</b>
      {variables.map((each) => (
        <span key={each.label} style={{ marginRight: 16 }}>
          <span style={label}>{each.label}</span>
          {each.text}
        </span>
      ))}
      <span style={{ float: 'right', color: theme.colors.text.secondary }}>
        {dateTimeFormat(from, { format: SHOWN })} to {dateTimeFormat(to, { format: SHOWN })}, {timeZone}
      </span>
    </div>
  );
}

function Page() {
  const end = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const style = {
    background: theme.colors.background.canvas,
    color: theme.colors.text.primary,
    fontFamily: theme.typography.fontFamily,
    minHeight: '100vh',
  };
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={style}>
        <Header />
        <div style={{ position: 'relative', height: end * ROW }}>
          {panels.map((panel) => (
            <Box key={panel.id} panel={panel} />
          ))}
        </div>
      </div>
    </ThemeContext.Provider>
  );
}

// What of a panel does not fit: cells whose text is cut off, and parts that one has to scroll to.
function misfits(box) {
  const found = [];
  for (const cell of box.querySelectorAll('[role=columnheader], [role=gridcell]')) {
    if (cell.scrollWidth > cell.clientWidth + 1) {
      found.push(`cut off: ${cell.innerText.trim()}`);
    }
  }
  for (const part of box.querySelectorAll('*')) {
    const { overflowX, overflowY } = getComputedStyle(part);
    if (/auto|scroll/.test(overflowX) && part.scrollWidth > part.clientWidth + 1) {
      found.push(`wider than the panel by ${part.scrollWidth - part.clientWidth} px`);
    }
    if (/auto|scroll/.test(overflowY) && part.scrollHeight > part.clientHeight + 1) {
      found.push(`taller than the panel by ${part.scrollHeight - part.clientHeight} px`);
    }
  }
  return found;
}

function report() {
  for (const box of document.querySelectorAll('[data-panel]')) {
    const panel = shown[box.dataset.panel];
    if (!panel) {
      errors.push(`${box.dataset.panel}: not drawn`);
      continue;
    }
    panel.visible = box.innerText.split('\n').map((line) => line.trim()).filter(Boolean);
    panel.drawn = [...box.querySelectorAll('canvas')].flatMap((canvas) => [...(drawn.get(canvas) ?? [])]);
    panel.misfits = misfits(box);
  }
  window.SHOWN = { panels: shown, errors };
}

// Tables measure themselves and graphs draw a moment later: done when nothing has changed since the last look.
function reportOnceStill(before) {
  const now = document.body.innerHTML;
  const isDrawn = (box) => {
    const panel = shown[box.dataset.panel];
    return panel && (panel.nothing || !CONTENT[panel.type] || box.querySelector(CONTENT[panel.type]));
  };
  const isComplete = [...document.querySelectorAll('[data-panel]')].every(isDrawn);
  if (errors.length || (isComplete && now === before)) {
    report();
  } else {
    setTimeout(() => reportOnceStill(now), LOOK_EVERY);
  }
}

initPluginTranslations('grafana', [async () => ({})]).then(() => {
  createRoot(document.getElementById('root')).render(<Page />);
  reportOnceStill('');
});
