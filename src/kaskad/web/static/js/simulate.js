// Messages by channel over the time of a simulation, as stacked bars.
import { channelColour, draw, grid, legend, names, number, tip, values } from "./charts.js";

draw("messages", ({ axis, channels }, narrow) => ({
  height: 300,
  grid: grid({ top: 36, bottom: 44 }), legend: legend(),
  xAxis: names((channels[0]?.counts ?? []).map((_, place) => String(place)), narrow, {
    name: axis, nameLocation: "middle", nameGap: 30, axisLabel: { hideOverlap: true, fontSize: 12 },
  }),
  yAxis: values("", number),
  tooltip: tip(
    (rows) => [`${rows[0].axisValue} (${axis})`, ...rows.filter(({ value }) => value).map(({ seriesName, value }) => `${seriesName}: ${number(value)}`)].join("\n"),
    { trigger: "axis" },
  ),
  series: channels.map(({ key, name, counts }) => ({
    type: "bar", stack: "all", name, data: counts, itemStyle: { color: channelColour(key) }, barCategoryGap: "20%",
  })),
}));
