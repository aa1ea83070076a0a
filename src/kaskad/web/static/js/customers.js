// Cohorts and scores as heat maps; who buys again as curves.
import { band, colour, dots, draw, grid, heat, names, number, percent, tip, values } from "./charts.js";

draw("cohorts", (told, narrow) => {
  const columns = Array.from({ length: told.columns }, (_, place) => `+${place + 1}`);
  const words = ([, place, share, active, size]) =>
    `${told.rows[place]}\n${percent(share)} ${told.words.bought}: ${number(active)} ${told.words.of} ${number(size)}`;
  const cells = told.cells.map((cell) => [cell[0], cell[1], cell[2], words(cell)]);
  const made = heat(columns, told.rows, cells, { narrow, label: narrow && told.columns > 8 ? null : (share) => percent(share, 0) });
  return { ...made, height: 44 + told.rows.length * 30 };
});

draw("curve", (told, narrow) => ({
  height: narrow ? 240 : 280,
  grid: grid({ bottom: 44 }),
  xAxis: values(told.words.after, number, { min: 0, max: told.rows.length + 1, minInterval: 1 }),
  yAxis: values("", percent, { min: 0 }),
  tooltip: tip(({ data }) => (data.length < 6 ? "" : `+${data[0]}: ${percent(data[1])} ${told.words.bought} (${number(data[4])} ${told.words.of} ${number(data[5])})`)),
  series: [
    ...band("sure", told.rows.map(([after, , low, high]) => [after, low, high]), colour("--accent")),
    { type: "line", data: told.rows, showSymbol: false, silent: true, lineStyle: { color: colour("--accent"), width: 2 } },
    dots(told.rows, { paint: "--accent", size: 9 }),
  ],
}));

draw("periods", (told, narrow) => ({
  height: narrow ? 240 : 280,
  grid: grid(),
  xAxis: names(told.names, narrow, { axisLabel: { color: colour("--quiet"), fontSize: 12, hideOverlap: true } }),
  yAxis: values("", percent, { min: 0 }),
  tooltip: tip(({ dataIndex: place }) => `${told.names[place]}\n${told.rows[place] === null ? "—" : percent(told.rows[place])} ${told.words.stayed}: ${number(told.kept[place])} ${told.words.of} ${number(told.at_start[place])}`),
  series: [{
    type: "line", data: told.rows, symbol: "circle", symbolSize: 8, connectNulls: false,
    lineStyle: { color: colour("--good"), width: 2 }, itemStyle: { color: colour("--good") },
  }],
}));

draw("grid", (told, narrow) => {
  const scores = ["1", "2", "3", "4", "5"];
  const cells = told.cells.map(([f, place, people, r, often]) => [
    f, place, people, `${told.words.r}: ${r}, ${told.words.f}: ${often}\n${told.words.people}: ${number(people)}`,
  ]);
  const made = heat(scores.map((score) => `F ${score}`), [...scores].reverse().map((score) => `R ${score}`), cells, { narrow, paint: "--good", label: (people) => number(people) });
  return { ...made, height: 44 + 5 * 40 };
});
