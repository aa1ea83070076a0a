// Launches: the range that was expected of each as a bar, what was expected as a line in it, what happened as a dot.
import { colour, dots, draw, grid, legend, money, names, number, ranges, tip, values } from "./charts.js";

draw("hindsight", ({ rows, currency, words }, narrow) => {
  const format = (value) => (currency ? money(value, currency) : number(value));
  const kind = (tone) => rows.map((row, place) => [row, place]).filter(([row]) => row.tone === tone);
  const tones = { good: "--good", warn: "--warn", moving: "--quiet" };
  return {
    height: 76 + rows.length * (narrow ? 56 : 44),
    grid: grid({ top: 40 }), legend: legend({ icon: "circle", itemWidth: 10, itemHeight: 10 }),
    xAxis: values("", format, { min: 0 }),
    yAxis: names(rows.map((row) => row.name), narrow, { inverse: true, axisLine: { show: false } }),
    tooltip: tip(({ data }) => `${rows[data.at(-1)].name}\n${rows[data.at(-1)].words}`),
    series: [
      ranges(rows.map((row, place) => [row.low, row.high, place]), { thick: 14 }),
      {
        ...dots(rows.map((row, place) => [row.expected, place]), { paint: "--panel", size: [2, 14], z: 2 }),
        symbol: "rect", itemStyle: { color: colour("--panel") },
      },
      ...Object.keys(tones).filter((tone) => kind(tone).length).map((tone) =>
        dots(kind(tone).map(([row, place]) => [row.happened, place]), { name: words[tone], paint: tones[tone], size: 13 })),
    ],
  };
});
