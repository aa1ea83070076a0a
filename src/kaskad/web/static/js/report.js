// The ways of people through a cascade, as a Sankey, and how far they came, as a funnel.
import { draw, funnel } from "./charts.js";
import { ways } from "./ways.js";

draw("ways", ways);
draw("funnel", (stages) => funnel(stages));
