// Forests: each effect as a line, in points of a rate; zero is always in sight.
import { draw, forest, points } from "./charts.js";

for (const place of document.querySelectorAll(".forest .drawing")) {
  draw(place.id, (told, narrow) => {
    const made = forest(told.rows, { format: points, narrow, axisName: told.axis });
    return { ...made, xAxis: { ...made.xAxis, scale: false } };
  });
}
