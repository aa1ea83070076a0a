// What the charts of all pages share: colours of the tokens, numbers as the page's language has them, drawing
// anew when the figures, the window or the colours change. docs/pages.md shows how a page uses it.

const root = document.documentElement;
const language = root.lang || "en";
const NARROW = 560;

const found = new Map(); // colours, until others are chosen

/** Return a token's colour, such as "--good", as it is now. */
export function colour(name) {
  if (!found.has(name)) found.set(name, look(name));
  return found.get(name);
}

function look(name) {
  const probe = document.createElement("i");
  probe.style.color = getComputedStyle(root).getPropertyValue(name);
  document.body.append(probe);
  const seen = getComputedStyle(probe).color;
  probe.remove();
  return seen;
}

const CHATS = ["telegram", "whatsapp", "viber", "vk", "max", "push", "facebook_messenger", "instagram"];

/** Return a channel's colour: letters, chats, SMS and voice each have one. */
export function channelColour(name) {
  if (name === "email") return colour("--email");
  if (name === "sms") return colour("--phone");
  return colour(CHATS.includes(name) ? "--chat" : "--voice");
}

/** Return colours for series that are no channels, in their order. */
export const series = () => ["--accent", "--phone", "--chat", "--voice", "--good", "--quiet"].map(colour);

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
export const percent = (share, digits = Math.abs(share) < 0.1 ? 1 : 0) =>
  new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: digits }).format(share);
export const points = (share, digits = 1) => `${share > 0 ? "+" : ""}${number(share * 100, digits)}`;

/** Return a text as lines of about so many letters, or of such a size, broken between words. */
export function broken(text, most, size = (line) => line.length) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (lines.at(-1) && size(longer) > most) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

const pen = document.createElement("canvas").getContext("2d");

/** Return a name in lines of so many pixels; a longer word is parted behind what joins it: - _ . / @ :. */
export function folded(name, most) {
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const long = (text) => pen.measureText(text).width;
  const words = name.split("\n").map((line) => line.split(" ").flatMap((word) =>
    long(word) > most ? word.split(/(?<=[-_./@:])/).reduce(joined(most, long), []) : [word]).join(" "));
  return words.flatMap((line) => broken(line, most, long));
}

const joined = (most, long) => (parts, part) =>
  parts.length && long(parts.at(-1) + part) <= most ? [...parts.slice(0, -1), parts.at(-1) + part] : [...parts, part];

/** Return how many minor units one of a currency is. */
export const unit = (currency) =>
  10 ** new Intl.NumberFormat(language, { style: "currency", currency }).resolvedOptions().maximumFractionDigits;

/** Return minor units as money: "1 234 ₸"; digits behind the point only where the amount is small. */
export function money(minor, currency) {
  const made = { style: "currency", currency, currencyDisplay: "narrowSymbol" };
  const digits = new Intl.NumberFormat(language, made).resolvedOptions().maximumFractionDigits;
  const amount = minor / 10 ** digits;
  const shown = Math.abs(amount) >= 100 || Number.isInteger(amount) ? 0 : digits;
  return new Intl.NumberFormat(language, {
    ...made, minimumFractionDigits: shown, maximumFractionDigits: shown,
  }).format(amount);
}

// -- what stands around a chart ---------------------------------------------------------------------------------

/** Return a tooltip; `formatter` returns plain text, lines parted by \n. */
export const tip = (formatter, more = {}) => ({
  renderMode: "richText", confine: true, backgroundColor: colour("--raised"), borderColor: colour("--line"),
  textStyle: { color: colour("--ink"), fontSize: 13, lineHeight: 18 }, formatter, ...more,
});

const axis = (name, more) => ({
  name, nameLocation: "middle", nameGap: 32, nameTextStyle: { color: colour("--quiet"), fontSize: 12, lineHeight: 15 },
  axisLine: { lineStyle: { color: colour("--line") } }, axisTick: { show: false },
  axisLabel: { color: colour("--quiet"), fontSize: 12, hideOverlap: true, ...more.axisLabel },
  splitLine: { lineStyle: { color: colour("--line"), opacity: 0.6 } },
});

/** Return an axis of numbers; `format` writes each. Per cents are not drawn closer than they are written. */
export const values = (name = "", format = number, more = {}) => ({
  ...axis(name, { axisLabel: { formatter: (value) => format(value), ...more.axisLabel } }), type: "value",
  ...(format === percent ? { minInterval: 0.01 } : {}),
  ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== "axisLabel")),
});

/** Return an axis of names; long ones are broken into lines, on narrow charts into more of them. */
export const names = (rows, narrow = false, more = {}) => ({
  ...axis("", { axisLabel: {
    color: colour("--ink"), formatter: (name) => folded(name, narrow ? 104 : 190).join("\n"), hideOverlap: false, lineHeight: 15,
  } }),
  type: "category", data: rows, splitLine: { show: false }, ...more,
});

export const grid = (more = {}) => ({ left: 8, right: 20, top: 16, bottom: 28, containLabel: true, ...more });

export const legend = (more = {}) => ({
  textStyle: { color: colour("--ink"), fontSize: 12 }, icon: "roundRect", itemWidth: 14, itemHeight: 8, itemGap: 16,
  top: 0, left: 0, inactiveColor: colour("--faint"), ...more,
});

/** Return a line across a chart: {xAxis: 0} or {yAxis: 0.8}, with words if any. */
export const mark = (place, words = "", paint = "--quiet") => ({
  silent: true, symbol: "none", animation: false, precision: 6,
  lineStyle: { color: colour(paint), type: "dashed", width: 1.5 },
  label: { formatter: words, color: colour(paint), fontSize: 12, position: "insideEndTop" },
  data: [place],
});

// -- kinds of charts --------------------------------------------------------------------------------------------

/** Return ranges as bars: each of `rows` is [from, to, place on the other axis, …]; upright along y. */
export const ranges = (rows, { paint = "--moving", thick = 8, upright = false, ...more } = {}) => ({
  type: "custom", data: rows, encode: upright ? { x: 2, y: [0, 1] } : { x: [0, 1], y: 2 }, z: 1,
  renderItem: (_, api) => {
    const at = (value) => api.coord(upright ? [api.value(2), value] : [value, api.value(2)]);
    const [from, to] = [at(api.value(0)), at(api.value(1))];
    const shape = upright
      ? { x: from[0] - thick / 2, y: to[1], width: thick, height: Math.max(2, from[1] - to[1]) }
      : { x: from[0], y: from[1] - thick / 2, width: Math.max(2, to[0] - from[0]), height: thick };
    return { type: "rect", shape: { ...shape, r: thick / 2 }, style: { fill: colour(paint) } };
  },
  ...more,
});

/** Return dots: each of `rows` is [x, y, …]. */
export const dots = (rows, { paint = "--ink", size = 10, ...more } = {}) => ({
  type: "scatter", data: rows, symbolSize: size, z: 3,
  itemStyle: { color: colour(paint), borderColor: colour("--panel"), borderWidth: 1.5 }, ...more,
});

/** Return the line of a share that stays until the next point (survival curves): rows are [x, share]. */
export const stairs = (name, rows, paint, more = {}) => ({
  type: "line", step: "end", name, data: rows, showSymbol: false, lineStyle: { width: 2, color: paint },
  itemStyle: { color: paint }, ...more,
});

/** Return two series that paint what lies between two lines: rows are [x, low, high]. */
export const band = (name, rows, paint, more = {}) => {
  const bare = { type: "line", name, showSymbol: false, silent: true, lineStyle: { opacity: 0 }, stack: name, ...more };
  return [
    { ...bare, data: rows.map(([x, low]) => [x, low]) },
    { ...bare, data: rows.map(([x, low, high]) => [x, high - low]), areaStyle: { color: paint, opacity: 0.16 } },
  ];
};

/** Return a forest: a line for each row {name, low, high, value, tone, words}, held against `zero`. */
export function forest(rows, { format = number, zero = 0, zeroWords = "", axisName = "", narrow = false } = {}) {
  const known = rows.map((row, place) => [row, place]).filter(([row]) => row.low !== null && row.value !== null);
  const tone = (name) => known.filter(([row]) => (row.tone ?? "quiet") === name);
  const paints = { good: "--good", bad: "--bad", quiet: "--quiet", accent: "--accent" };
  return {
    height: 56 + (axisName ? 20 : 0) + (axisName && narrow ? 16 : 0) + rows.length * (narrow ? 46 : 38),
    grid: grid({ bottom: axisName ? (narrow ? 60 : 44) : 24 }),
    xAxis: values(narrow ? broken(axisName, 28).join("\n") : axisName, format, { scale: true }),
    yAxis: names(rows.map((row) => row.name), narrow, { inverse: true, axisLine: { show: false } }),
    tooltip: tip(({ data }) => {
      const row = rows[data[data.length - 1]];
      return row.words ?? `${row.name}\n${format(row.value)} (${format(row.low)} … ${format(row.high)})`;
    }),
    series: Object.keys(paints).flatMap((name, first) => [
      ranges(tone(name).map(([row, place]) => [row.low, row.high, place]), {
        paint: paints[name], thick: 4, markLine: first || zero === null ? undefined : mark({ xAxis: zero }, zeroWords),
      }),
      dots(tone(name).map(([row, place]) => [row.value, place]), { paint: paints[name] }),
    ]),
  };
}

/** Return a heat map: cells are [column, row, value, words]; what is most is darkest; `label` writes each value. */
export function heat(columns, rows, cells, { narrow = false, paint = "--accent", label = null, most = Math.max(...cells.map(([, , value]) => value), Number.MIN_VALUE) } = {}) {
  return {
    height: 44 + rows.length * 26,
    grid: grid({ top: 8, bottom: 8 }),
    xAxis: names(columns, narrow, { axisLine: { show: false }, axisLabel: { color: colour("--quiet"), fontSize: 11 } }),
    yAxis: names(rows, narrow, { inverse: true, axisLine: { show: false } }),
    tooltip: tip(({ data }) => data[3] ?? `${rows[data[1]]}, ${columns[data[0]]}: ${number(data[2], 2)}`),
    series: [{
      type: "custom", data: cells, encode: { x: 0, y: 1 },
      renderItem: (_, api) => {
        const [x, y] = api.coord([api.value(0), api.value(1)]);
        const [width, height] = api.size([1, 1]);
        const shape = { x: x - width / 2 + 1, y: y - height / 2 + 1, width: width - 2, height: height - 2, r: 3 };
        const share = Math.min(1, api.value(2) / most);
        const words = label ? [{
          type: "text", silent: true,
          style: {
            text: label(api.value(2)), x, y, align: "center", verticalAlign: "middle", fontSize: narrow ? 10 : 12,
            fill: colour(share > 0.55 ? "--panel" : "--ink"),
          },
        }] : [];
        return {
          type: "group",
          children: [
            { type: "rect", shape, style: { fill: colour("--track") } },
            { type: "rect", shape, style: { fill: colour(paint), opacity: share } },
            ...words,
          ],
        };
      },
    }],
  };
}

/** Return a funnel: stages are {name, value, label, words, paint}; names stand at the left, with `room`. */
export const funnel = (stages, room = 24 + 10 * Math.max(...stages.map((stage) => stage.name.length))) => ({
  height: 24 + stages.length * 52,
  tooltip: tip(({ dataIndex }) => stages[dataIndex].words ?? `${stages[dataIndex].name}\n${number(stages[dataIndex].value)}`),
  series: [{
    type: "funnel", funnelAlign: "left", left: room, right: 8, top: 8, bottom: 8, gap: 4, minSize: "1%",
    sort: "none",
    label: {
      position: "left", color: colour("--ink"), lineHeight: 17,
      formatter: ({ dataIndex: place }) =>
        `{name|${stages[place].name}}\n{count|${stages[place].label ?? number(stages[place].value)}}`,
      rich: {
        name: { fontWeight: 600, color: colour("--ink"), fontSize: 13 },
        count: { color: colour("--quiet"), fontSize: 12 },
      },
    },
    labelLine: { show: false },
    data: stages.map((stage, place) => ({
      name: stage.name, value: stage.value,
      itemStyle: { color: colour(stage.paint ?? ["--moving", "--accent", "--good-soft", "--good"][Math.min(place, 3)]), borderWidth: 0 },
    })),
  }],
});

// -- drawing ----------------------------------------------------------------------------------------------------

const all = [];

/** Keep the chart of element `id` drawn: `option(told, narrow, wide)` makes it from the JSON in its data-told;
    `wide` is how many pixels it has, `narrow` says that they are few. `height` of what it returns is that of the element, in pixels. */
export function draw(id, option) {
  all.push({ id, option, place: null, chart: null, told: "", wide: 0 });
  paint(all[all.length - 1]);
}

function paint(one, force = false) {
  const place = document.getElementById(one.id);
  if (!place?.clientWidth) return;
  if (place !== one.place || !place.firstChild) {
    one.chart?.dispose();
    one.place = place;
    one.chart = null;
    watcher.observe(place);
  }
  const told = place.dataset.told;
  if (one.chart && told === one.told && place.clientWidth === one.wide && !force) return;
  one.told = told;
  one.wide = place.clientWidth;
  const { height, ...made } = one.option(JSON.parse(told), place.clientWidth < NARROW, place.clientWidth);
  place.style.height = height ? `${height}px` : "";
  one.chart ??= globalThis.echarts.init(place, null, { renderer: "svg" });
  one.chart.resize({ height: height ?? "auto" }); // where motion is reduced, the element follows a frame later
  one.chart.setOption(
    {
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, color: series(),
      animation: !matchMedia("(prefers-reduced-motion: reduce)").matches, animationDuration: 300, ...made,
    },
    true,
  );
}

const again = (force) => {
  if (force) found.clear();
  for (const one of all) paint(one, force);
};
const watcher = new ResizeObserver(() => again(false));
new MutationObserver(() => again(true)).observe(root, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => again(true));
document.addEventListener("htmx:after:swap", () => again(false));
document.addEventListener("toggle", () => again(false), true); // what was folded away had no width
