// The ways of people through a cascade, as a Sankey: those that were gone, and those that are expected.
import { broken, channelColour, colour, tip } from "./charts.js";

const ROOM = 140; // pixels between two columns: with less the names of steps stand above them, not beside
// Pixels: a letter, about; the most beside the chart, for the names of its ends; a line; what a name is written in.
const NARROW = { letter: 7.2, ends: 104, line: 15, font: "600 11px sans-serif" };
const WIDE = { letter: 8.4, ends: 220, line: 17, font: "600 13px sans-serif" };
const AWAY = 12; // pixels of a name from its column and from the edge
const pen = document.createElement("canvas").getContext("2d");

function paint(node) {
  if (node.kind === "entered") return colour("--quiet");
  if (node.kind === "step") return channelColour(node.paint);
  if (["converted", "responded"].includes(node.paint)) return colour("--good");
  if (["complained", "failed"].includes(node.paint)) return colour("--bad");
  if (["opted_out", "unreachable"].includes(node.paint)) return colour("--warn");
  return colour(node.paint === "under_way" ? "--moving" : "--faint");
}

/** Return how names are laid out: ends beside the chart, steps by their number where their names are too long. */
function layout(told, narrow, wide) {
  const size = narrow ? NARROW : WIDE;
  const steps = told.nodes.filter((node) => node.kind === "step");
  const ends = told.nodes.filter((node) => node.kind === "end");
  pen.font = size.font; // letters are not all of one width: Russian ones are wider, and «ж» than «и»
  const long = (text) => pen.measureText(text).width;
  const longest = Math.ceil(Math.max(...ends.map((node) => long(node.label)))) + AWAY;
  const beside = narrow ? size.ends : Math.min(size.ends, longest);
  const each = (wide - beside - 30) / (steps.length + 1);
  const above = narrow || each < ROOM;
  const fits = (text) => !above || (text.length + 1) * size.letter < each;
  const lines = (name) => broken(name, beside - AWAY, long);
  const high = (node) => 15 + size.line * lines(node.label).length;
  return {
    above, beside, lines, line: size.line,
    numbered: steps.every((node) => fits(node.label)) ? null : new Map(steps.map((node, place) => [node.name, `${place + 1}`])),
    counted: steps.every((node) => fits(node.count)),
    gap: Math.max(30, ...ends.map(high)) + (narrow ? 4 : 0),
    height: narrow ? 170 + ends.reduce((sum, node) => sum + high(node) + 8, 0) : undefined,
  };
}

/** Return the Sankey of `told`: nodes and links, each link with its people in words, and their range if any. */
export function ways(told, narrow, wide) {
  const halo = { textBorderColor: colour("--panel"), textBorderWidth: 3 };
  const laid = layout(told, narrow, wide);
  const place = { end: "right", step: laid.above ? "top" : "right", entered: narrow ? "bottom" : "right" };
  const words = (node) => {
    const name = laid.numbered?.get(node.name) ?? node.label;
    const lines = (node.kind === "end" ? laid.lines(name) : [name]).map((line) => `{name|${line}}`);
    return !laid.counted && node.kind === "step" ? lines : [...lines, `{count|${node.count}}`];
  };
  const label = (node) => ({
    position: place[node.kind],
    formatter: words(node).join("\n"),
    rich: {
      name: { color: colour("--ink"), fontWeight: 600, fontSize: narrow ? 11 : 13, lineHeight: laid.line, ...halo },
      count: { color: colour("--quiet"), fontSize: narrow ? 11 : 12, lineHeight: 15, ...halo },
    },
  });
  const names = Object.fromEntries(told.nodes.map((node) => [node.name, node]));
  return {
    ...(laid.height ? { height: laid.height } : {}),
    tooltip: tip(({ data, dataType }) =>
      dataType === "edge"
        ? [`${names[data.source].label} → ${names[data.target].label}`, `${data.count} ${told.people}`, data.range].filter(Boolean).join("\n")
        : `${data.label.name}\n${names[data.name].count} ${told.people}`),
    series: [{
      type: "sankey", left: narrow ? 26 : 4, right: laid.beside, top: laid.above ? 44 : 12, bottom: narrow ? 40 : 24,
      nodeWidth: 12, nodeGap: laid.gap,
      draggable: false, emphasis: { focus: "adjacency" }, layoutIterations: 48,
      lineStyle: { color: "target", opacity: 0.32, curveness: 0.5 },
      data: told.nodes.map((node) => ({
        name: node.name, itemStyle: { color: paint(node), borderWidth: 0 }, label: { ...label(node), name: node.label },
      })),
      links: told.links,
    }],
  };
}
