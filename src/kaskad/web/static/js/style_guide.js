// One chart of each kind, from made-up figures.
import {
  band, channelColour, colour, dots, draw, forest, funnel, grid, heat, legend, mark, money, names, number, percent, points,
  ranges, stairs, tip, values,
} from "./charts.js";

draw("ui-forest", (rows, narrow) => forest(rows, { format: points, narrow }));

draw("ui-stairs", (lines) => ({
  grid: grid({ top: 36, bottom: 44 }), legend: legend({ data: lines.map((line) => line.name) }),
  tooltip: tip((rows) => rows.filter((row) => row.seriesName).map((row) => `${row.seriesName}: ${percent(row.data[1])}`).join("\n"), { trigger: "axis" }),
  xAxis: values("h"), yAxis: values("", percent, { min: 0, max: 1 }),
  series: lines.flatMap((line) => [
    ...band("", line.points.map(([x, , low, high]) => [x, low, high]), channelColour(line.name), { stack: line.name, step: "end" }),
    stairs(line.name, line.points.map(([x, share]) => [x, share]), channelColour(line.name)),
  ]),
}));

draw("ui-frontier", (rows) => ({
  grid: grid({ bottom: 44 }), xAxis: values("", (minor) => money(minor * 100, "KZT")), yAxis: values("", percent, { min: 0.5, max: 1 }),
  tooltip: tip(({ data }) => `${money(data[0] * 100, "KZT")} → ${percent(data[1])}`),
  series: [
    { type: "line", data: rows, showSymbol: false, lineStyle: { color: colour("--accent"), width: 2 }, markLine: mark({ yAxis: 0.8 }, percent(0.8)) },
    dots(rows, { paint: "--accent" }),
  ],
}));

draw("ui-heat", (rows, narrow) =>
  heat(rows[0].map((_, place) => String(place * 2)), rows.map((_, place) => String(place + 1)),
    rows.flatMap((row, y) => row.map((value, x) => [x, y, value])), { narrow }));

draw("ui-ranges", (rows) => ({
  grid: grid(), xAxis: names(rows.map((_, place) => String(place + 1)), false, { axisLine: { show: true } }), yAxis: values(),
  tooltip: tip(({ data }) => data.map((value) => number(value)).join(" · ")),
  series: [
    ranges(rows.map(([low, high], place) => [low, high, place]), { upright: true, thick: 18 }),
    dots(rows.map(([, , happened], place) => [place, happened])),
  ],
}));

draw("ui-funnel", (rows) => funnel(rows.map(([name, value]) => ({ name, value }))));
