// The share of complaints by day, a line for each mailbox service, against the lines that must not be crossed.
import { colour, draw, grid, legend, mark, names, number, percent, series, tip, values } from "./charts.js";

draw("by-day", (told, narrow) => {
  const share = ([complaints, arrived]) => (arrived ? complaints / arrived : null);
  const highest = Math.max(...told.lines.flatMap((line) => line.days.map(share)), 0);
  const line = (place, words, paint) => {
    const made = mark({ yAxis: place }, `${words} ${percent(place)}`, paint);
    return { type: "line", data: [], markLine: { ...made, label: { ...made.label, position: "insideStartTop" } } };
  };
  return {
    height: narrow ? 260 : 300,
    legend: legend({ data: told.lines.map((each) => each.name), type: "scroll" }),
    grid: grid({ top: 44 }),
    xAxis: names(told.days, narrow, { axisLabel: { color: colour("--quiet"), fontSize: 12, hideOverlap: true } }),
    yAxis: values("", (value) => percent(value, 2), { min: 0, axisLabel: { showMaxLabel: false }, max: Math.max(told.tooMany * 1.2, highest * 1.1) }),
    tooltip: tip(({ seriesName, dataIndex }) => {
      const one = told.lines.find((each) => each.name === seriesName)?.days[dataIndex];
      return one ? `${seriesName}, ${told.days[dataIndex]}\n${percent(share(one), 2)}: ${number(one[0])} ${told.words.of} ${number(one[1])}` : "";
    }),
    series: [
      ...told.lines.map((each, place) => ({
        type: "line", name: each.name, data: each.days.map(share), symbol: "circle", symbolSize: 7, connectNulls: true,
        lineStyle: { width: 2 }, itemStyle: { color: series()[place % 6] },
      })),
      line(told.wary, told.words.wary, "--warn"), line(told.tooMany, told.words.tooMany, "--bad"),
    ],
  };
});
