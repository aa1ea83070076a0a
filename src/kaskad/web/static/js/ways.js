// The ways of people through a cascade, as a Sankey: those that were gone, and those that are expected.
import { channelColour, colour, tip } from "./charts.js";

const SNUG = 900; // pixels: below it the names of steps stand above them

function paint(node) {
  if (node.kind === "entered") return colour("--quiet");
  if (node.kind === "step") return channelColour(node.paint);
  if (["converted", "responded"].includes(node.paint)) return colour("--good");
  if (["complained", "failed"].includes(node.paint)) return colour("--bad");
  if (["opted_out", "unreachable"].includes(node.paint)) return colour("--warn");
  return colour(node.paint === "under_way" ? "--moving" : "--faint");
}

/** Return the Sankey of `told`: nodes and links, each link with its people in words, and their range if any. */
export function ways(told, narrow, wide) {
  const halo = { textBorderColor: colour("--panel"), textBorderWidth: 3 };
  const label = (node) => ({
    position: node.kind === "end" ? "left" : wide < SNUG && node.kind === "step" ? "top" : "right",
    formatter: `{name|${node.label}}\n{count|${node.count}}`,
    rich: {
      name: { color: colour("--ink"), fontWeight: 600, fontSize: narrow ? 11 : 13, lineHeight: 17, ...halo },
      count: { color: colour("--quiet"), fontSize: narrow ? 11 : 12, lineHeight: 15, ...halo },
    },
  });
  const names = Object.fromEntries(told.nodes.map((node) => [node.name, node]));
  return {
    tooltip: tip(({ data, dataType }) =>
      dataType === "edge"
        ? [`${names[data.source].label} → ${names[data.target].label}`, `${data.count} ${told.people}`, data.range].filter(Boolean).join("\n")
        : `${data.label.name}\n${names[data.name].count} ${told.people}`),
    series: [{
      type: "sankey", left: 4, right: 4, top: wide < SNUG ? 44 : 12, bottom: 12, nodeWidth: 12, nodeGap: narrow ? 22 : 26,
      draggable: false, emphasis: { focus: "adjacency" }, layoutIterations: 48,
      lineStyle: { color: "target", opacity: 0.32, curveness: 0.5 },
      data: told.nodes.map((node) => ({
        name: node.name, itemStyle: { color: paint(node), borderWidth: 0 }, label: { ...label(node), name: node.label },
      })),
      links: told.links,
    }],
  };
}
