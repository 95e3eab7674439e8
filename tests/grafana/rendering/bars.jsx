// A drawing of Grafana's stacked bar chart, which is in its core.
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { FieldType, formattedValueToString, getFieldDisplayName, getFieldSeriesColor } from '@grafana/data';
import { VizLayout, VizLegend } from '@grafana/ui';
import { theme } from './frames.js';

const AXIS = 90;

// As the panel does with a negative "spacing" too: leave out labels from the end, so that the newest is shown.
function labelsShown(count, width, spacing) {
  const fitting = Math.max(1, Math.floor(width / Math.abs(spacing)));
  const every = Math.ceil(count / fitting);
  return (index) => (spacing > 0 ? index : count - 1 - index) % every === 0;
}

function Plot({ panel, frame, width, height, values, color }) {
  const node = useRef(null);
  const names = frame.fields.find((each) => getFieldDisplayName(each, frame) === panel.options.xField).values;
  useEffect(() => {
    const above = new Array(frame.length).fill(0);
    const below = new Array(frame.length).fill(0);
    const tops = values.map((field) =>
      field.values.map((value, index) => {
        const sums = value < 0 ? below : above;
        sums[index] += value ?? 0;
        return value == null ? null : sums[index];
      })
    );
    // The tallest first, so that each lower part of a stack covers it.
    const order = [...tops.keys()].reverse();
    const isShown = labelsShown(frame.length, width - AXIS, panel.options.xTickLabelSpacing);
    const plot = new uPlot(
      {
        width,
        height,
        padding: [8, 40, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: [-0.5, frame.length - 0.5] },
          y: { range: (_, low, high) => [Math.min(0, low) * 1.05, Math.max(0, high) * 1.05] },
        },
        axes: [
          {
            stroke: theme.colors.text.primary,
            rotate: panel.options.xTickLabelRotation,
            size: panel.options.xTickLabelRotation ? 75 : 30,
            grid: { show: false },
            splits: () => [...names.keys()].filter(isShown),
            values: (_, splits) => splits.map((index) => names[index]),
          },
          {
            stroke: theme.colors.text.primary,
            size: AXIS,
            grid: { stroke: theme.colors.border.weak },
            values: (_, splits) => splits.map((value) => formattedValueToString(values[0].display(value))),
          },
        ],
        series: [
          {},
          ...order.map((at) => ({
            fill: color(values[at]),
            width: 0,
            points: { show: false },
            paths: uPlot.paths.bars({ size: [0.7, Infinity] }),
          })),
        ],
      },
      [[...names.keys()], ...order.map((at) => tops[at])],
      node.current
    );
    return () => plot.destroy();
  }, [width, height]);
  return <div ref={node} />;
}

export function Bars({ panel, frame, width, height }) {
  const values = frame.fields.filter((each) => each.type === FieldType.number);
  const color = (field) => getFieldSeriesColor(field, theme).color;
  const items = values.map((field) => ({ label: getFieldDisplayName(field, frame), color: color(field), yAxis: 1 }));
  const legend = (
    <VizLayout.Legend placement="bottom">
      <VizLegend placement="bottom" items={items} displayMode="list" />
    </VizLayout.Legend>
  );
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(plotWidth, plotHeight) => (
        <Plot {...{ panel, frame, values, color }} width={plotWidth} height={plotHeight} />
      )}
    </VizLayout>
  );
}
