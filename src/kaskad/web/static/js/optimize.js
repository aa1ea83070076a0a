// The frontier of reach against cost, and how many are silent still after how long.
import { band, colour, dots, draw, grid, legend, mark, money, number, percent, stairs, tip, unit, values } from "./charts.js";

draw("frontier", (told, narrow) => {
  const cost = (value) => (told.currency ? money(value, told.currency) : number(value, 1));
  const most = Math.max(...[...told.other, ...told.efficient, ...told.today].map(([each]) => each), 0);
  const one = told.currency ? unit(told.currency) : 1;
  const kind = (name, paint, size, more = {}) => dots(told[name], { paint, size, name: told.words[name], ...more });
  return {
    height: 360,
    legend: legend({ icon: "circle", orient: narrow ? "vertical" : "horizontal", itemGap: narrow ? 6 : 16 }), // long words
    grid: grid({ top: narrow ? 112 : 40, bottom: 44 }),
    xAxis: values(told.words.cost, cost, { scale: true, minInterval: most >= 100 * one ? one : 0 }),
    yAxis: values("", percent, { scale: true }),
    tooltip: tip(({ data }) => data[2] ?? ""),
    series: [
      { type: "line", data: told.line, symbol: "none", silent: true, lineStyle: { color: colour("--good"), width: 2 }, z: 1 },
      kind("other", "--quiet", 8), kind("efficient", "--good", 11),
      kind("proposed", "--accent", 17, { symbol: "diamond", z: 4 }), kind("today", "--warn", 15, { symbol: "rect", z: 5 }),
    ].filter((each) => each.data.length),
  };
});

for (let place = 0; place < 12; place += 1) {
  draw(`wait-${place}`, (told) => {
    const end = Math.ceil(Math.max(told.wait, told.proposed ?? 0, told.rows.at(-1)[0]));
    // Words stand to that side of their line on which there is more room, each of both lines in a row of its own.
    const line = (at, words, paint, row) => {
      if (at === null) return [];
      const made = mark({ xAxis: at }, `${words} ${number(at, 1)} ${told.words.h}`, paint);
      const label = { ...made.label, position: "end", distance: 12 + 18 * row, align: at < end / 2 ? "left" : "right" };
      return [{ type: "line", data: [], markLine: { ...made, label } }];
    };
    return {
      height: 236,
      grid: grid({ top: 54, right: 24, bottom: 44 }),
      xAxis: values(told.words.hours, (hours) => number(hours, 1), { min: 0, max: end }),
      yAxis: values("", percent, { min: 0, max: 1 }),
      tooltip: tip((all) => {
        const one = (Array.isArray(all) ? all : [all]).at(-1);
        return `${number(one.data[0], 1)} ${told.words.h}: ${percent(one.data[1])} ${told.words.silent}`;
      }),
      series: [
        ...band("between", told.band, colour("--moving"), { step: "end" }),
        stairs(told.words.silent, told.rows, colour("--accent")),
        ...line(told.wait, told.words.wait, "--quiet", 0),
        ...line(told.proposed, told.words.proposed, "--good", 1),
      ],
    };
  });
}
