// The ways of people through a cascade, as a Sankey: those that were gone, and those that are expected.
import { broken, channelColour, colour, tip } from "./charts.js";

const SNUG = 900; // pixels: below it the names of steps stand above them
const LETTER = 7.2; // pixels of a letter on a narrow chart, about
const ENDS = 104; // pixels beside a narrow chart for the names of its ends

function paint(node) {
  if (node.kind === "entered") return colour("--quiet");
  if (node.kind === "step") return channelColour(node.paint);
  if (["converted", "responded"].includes(node.paint)) return colour("--good");
  if (["complained", "failed"].includes(node.paint)) return colour("--bad");
  if (["opted_out", "unreachable"].includes(node.paint)) return colour("--warn");
  return colour(node.paint === "under_way" ? "--moving" : "--faint");
}

const lines = (name) => broken(name, ENDS / LETTER - 1);
const high = (node) => 15 * (lines(node.label).length + 1);

/** Return how a narrow chart is laid out: ends are named beside it, steps by their number where names are too long. */
function narrowly(told, wide) {
  const steps = told.nodes.filter((node) => node.kind === "step");
  const ends = told.nodes.filter((node) => node.kind === "end");
  const each = (wide - ENDS - 30) / (steps.length + 1);
  const fits = (text) => (text.length + 1) * LETTER < each;
  return {
    numbered: steps.every((node) => fits(node.label)) ? null : new Map(steps.map((node, place) => [node.name, `${place + 1}`])),
    counted: steps.every((node) => fits(node.count)),
    gap: Math.max(30, ...ends.map(high)) + 4,
    height: 170 + ends.reduce((sum, node) => sum + high(node) + 8, 0),
  };
}

/** Return the Sankey of `told`: nodes and links, each link with its people in words, and their range if any. */
export function ways(told, narrow, wide) {
  const halo = { textBorderColor: colour("--panel"), textBorderWidth: 3 };
  const small = narrow ? narrowly(told, wide) : null;
  const place = (node) => {
    if (small) return { end: "right", step: "top", entered: "bottom" }[node.kind];
    return node.kind === "end" ? "left" : wide < SNUG && node.kind === "step" ? "top" : "right";
  };
  const words = (node) => {
    const name = small?.numbered?.get(node.name) ?? node.label;
    const told = (small && node.kind === "end" ? lines(name) : [name]).map((line) => `{name|${line}}`);
    return small && !small.counted && node.kind === "step" ? told : [...told, `{count|${node.count}}`];
  };
  const label = (node) => ({
    position: place(node),
    formatter: words(node).join("\n"),
    rich: {
      name: { color: colour("--ink"), fontWeight: 600, fontSize: narrow ? 11 : 13, lineHeight: narrow ? 15 : 17, ...halo },
      count: { color: colour("--quiet"), fontSize: narrow ? 11 : 12, lineHeight: 15, ...halo },
    },
  });
  const names = Object.fromEntries(told.nodes.map((node) => [node.name, node]));
  return {
    ...(small ? { height: small.height } : {}),
    tooltip: tip(({ data, dataType }) =>
      dataType === "edge"
        ? [`${names[data.source].label} → ${names[data.target].label}`, `${data.count} ${told.people}`, data.range].filter(Boolean).join("\n")
        : `${data.label.name}\n${names[data.name].count} ${told.people}`),
    series: [{
      type: "sankey", left: small ? 26 : 4, right: small ? ENDS : 4, top: wide < SNUG ? 44 : 12, bottom: small ? 40 : 12,
      nodeWidth: 12, nodeGap: small ? small.gap : 26,
      draggable: false, emphasis: { focus: "adjacency" }, layoutIterations: 48,
      lineStyle: { color: "target", opacity: 0.32, curveness: 0.5 },
      data: told.nodes.map((node) => ({
        name: node.name, itemStyle: { color: paint(node), borderWidth: 0 }, label: { ...label(node), name: node.label },
      })),
      links: told.links,
    }],
  };
}
