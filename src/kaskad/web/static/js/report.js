// The ways of people through a cascade, as a Sankey; drawn anew when the figures, the window or the colours change.

const NARROW = 560;

function colour(name, fallback = "--faint") {
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement("i");
  document.body.append(probe);
  probe.className = "probe";
  probe.style.color = style.getPropertyValue(name) || style.getPropertyValue(fallback);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const CHATS = ["telegram", "whatsapp", "viber", "vk", "max", "push", "facebook_messenger", "instagram"];

function paint(node) {
  if (node.kind === "entered") return colour("--quiet");
  if (node.kind === "step") {
    if (node.paint === "email") return colour("--email");
    if (node.paint === "sms") return colour("--phone");
    return colour(CHATS.includes(node.paint) ? "--chat" : "--voice");
  }
  if (["converted", "responded"].includes(node.paint)) return colour("--good");
  if (["complained", "failed"].includes(node.paint)) return colour("--bad");
  if (["opted_out", "unreachable"].includes(node.paint)) return colour("--warn");
  return node.paint === "under_way" ? colour("--moving") : colour("--faint");
}

function option(told, wide) {
  const narrow = wide < NARROW;
  const halo = { textBorderColor: colour("--panel"), textBorderWidth: 3 };
  const label = (node) => ({
    position: node.kind === "end" ? "left" : narrow && node.kind === "step" ? "top" : "right",
    formatter: `{name|${node.label}}\n{count|${node.count}}`,
    rich: {
      name: { color: colour("--ink"), fontWeight: 600, fontSize: narrow ? 11 : 13, lineHeight: 17, ...halo },
      count: { color: colour("--quiet"), fontSize: narrow ? 11 : 12, lineHeight: 15, ...halo },
    },
  });
  const names = Object.fromEntries(told.nodes.map((node) => [node.name, node]));
  return {
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    tooltip: {
      renderMode: "richText", confine: true, backgroundColor: colour("--raised"), borderColor: colour("--line"),
      textStyle: { color: colour("--ink") },
      formatter: ({ data, dataType }) =>
        dataType === "edge"
          ? `${names[data.source].label} → ${names[data.target].label}\n${data.count} ${told.people}`
          : `${data.label.name}\n${names[data.name].count} ${told.people}`,
    },
    series: [{
      type: "sankey", left: 4, right: 4, top: narrow ? 44 : 12, bottom: 12, nodeWidth: 12, nodeGap: narrow ? 22 : 26,
      draggable: false, emphasis: { focus: "adjacency" }, layoutIterations: 48,
      lineStyle: { color: "target", opacity: 0.32, curveness: 0.5 },
      data: told.nodes.map((node) => ({
        name: node.name, itemStyle: { color: paint(node), borderWidth: 0 }, label: { ...label(node), name: node.label },
      })),
      links: told.links,
    }],
  };
}

let chart = null;
let place = null;
let drawn = "";

function draw(force = false) {
  const now = document.getElementById("ways");
  if (!now) return;
  const told = now.dataset.ways;
  if (now !== place || !now.firstChild) {
    chart?.dispose();
    place = now;
    chart = globalThis.echarts.init(now, null, { renderer: "svg" });
    drawn = "";
  }
  if (told === drawn && !force) return;
  drawn = told;
  chart.setOption(option(JSON.parse(told), now.clientWidth), true);
}

draw();
new ResizeObserver(() => {
  chart?.resize();
  draw(true);
}).observe(document.getElementById("figures") ?? document.body);
new MutationObserver(() => draw(true)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));
document.addEventListener("htmx:after:swap", () => draw());
