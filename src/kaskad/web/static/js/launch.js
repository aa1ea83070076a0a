// Where the people of a launch are expected to go, as a Sankey.
import { draw } from "./charts.js";
import { ways } from "./ways.js";

draw("ways", (told, narrow, wide) => ({ height: narrow ? 420 : 340, ...ways(told, narrow, wide) }));
