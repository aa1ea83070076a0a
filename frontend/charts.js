// The charts that the pages draw, and no more of ECharts than they need; `static/js/charts.js` draws with it.
// Tooltips must be `richText`: the pages' policy forbids style attributes.
import { init, use } from "echarts/core";
import { BarChart, CustomChart, FunnelChart, LineChart, SankeyChart, ScatterChart } from "echarts/charts";
import {
  GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent,
} from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

use([
  BarChart, CustomChart, FunnelChart, LineChart, SankeyChart, ScatterChart, GridComponent, LegendComponent,
  MarkAreaComponent, MarkLineComponent, TooltipComponent, SVGRenderer,
]);
globalThis.echarts = { init };
