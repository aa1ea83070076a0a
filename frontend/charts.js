// The charts that the pages draw, and no more of ECharts than they need. Tooltips must be `richText`:
// the pages' policy forbids style attributes.
import * as core from "echarts/core";
import { BarChart, LineChart, SankeyChart } from "echarts/charts";
import {
  AriaComponent, DatasetComponent, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent,
  TooltipComponent,
} from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

core.use([
  BarChart, LineChart, SankeyChart, AriaComponent, DatasetComponent, GridComponent, LegendComponent,
  MarkAreaComponent, MarkLineComponent, TooltipComponent, SVGRenderer,
]);
globalThis.echarts = core;
