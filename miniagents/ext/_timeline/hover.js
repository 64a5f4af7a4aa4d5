"use strict";
// Tells of the lane and the time under the pointer. All texts are set as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const picture = document.querySelector("svg");
  const tip = document.getElementById("tip");
  const line = document.getElementById("line");
  const NEAR = 3; // columns

  const timeAt = (column) => {
    for (const [start, end, first, last] of data.segments) {
      if (column < first) return start;
      if (column <= last) return last > first ? start + ((column - first) / (last - first)) * (end - start) : start;
    }
    return data.segments[data.segments.length - 1][1];
  };

  const shown = (seconds) =>
    seconds === 0 ? "0 s" : seconds < 1 ? `${Number((seconds * 1000).toPrecision(3))} ms`
      : seconds < 120 ? `${Number(seconds.toPrecision(4))} s`
        : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;

  const add = (name, text, parent = tip) => {
    const element = document.createElement(name);
    element.textContent = text;
    parent.append(element);
    return element;
  };

  const countAt = (lane, column) => {
    let found = 0;
    for (const [first, counts] of lane.counts) {
      const at = column - first;
      if (at >= 0 && at < counts.length) {
        const digit = counts[at];
        found = digit === "z" ? -1 : parseInt(digit, 36);
      }
    }
    return found;
  };

  const tellText = (lane, column) => {
    const index = lane.said.findLastIndex(([at]) => at <= column + NEAR);
    if (index < 0) return;
    const [at, text] = lane.said[index];
    let before = "";
    for (let each = index - 1; each >= 0 && before.length < 160; each--) before = lane.said[each][1] + before;
    const paragraph = add("p", before.length > 160 ? `…${before.slice(-160)}` : before);
    paragraph.className = "said";
    add(at >= column - NEAR ? "mark" : "span", text.slice(0, 400), paragraph);
    const isLast = index === lane.said.length - 1;
    if (isLast && lane.cut) add("i", ` … and ${lane.cut} characters more, which are not kept`, paragraph);
  };

  const hide = () => { tip.hidden = line.hidden = true; };

  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const scale = box.width / data.width;
    const x = (event.clientX - box.left) / scale;
    const row = Math.floor(((event.clientY - box.top) / scale - data.top) / data.height);
    const lane = data.lanes[row];
    if (lane === undefined || row < 0) return hide();
    const column = (x - data.left) / data.step;
    const inside = column >= 0 && column <= data.columns;
    tip.replaceChildren();
    add("b", lane.name);
    if (inside) {
      const count = countAt(lane, Math.floor(column));
      const parts = count === 0 ? "" : count < 0 ? ", many parts here" : `, ${count} part${count === 1 ? "" : "s"} here`;
      add("em", `at ${shown(timeAt(column))}${parts}`);
      tellText(lane, column);
    }
    for (const fact of lane.facts) add("p", fact);
    tip.hidden = false;
    line.hidden = !inside;
    line.style.left = `${event.clientX + scrollX}px`;
    line.style.top = `${box.top + scrollY + data.top * scale}px`;
    line.style.height = `${data.lanes.length * data.height * scale}px`;
    const right = event.clientX + 18 + tip.offsetWidth < innerWidth;
    tip.style.left = `${scrollX + (right ? event.clientX + 18 : Math.max(4, event.clientX - 18 - tip.offsetWidth))}px`;
    const below = event.clientY + 18 + tip.offsetHeight < innerHeight;
    tip.style.top = `${scrollY + (below ? event.clientY + 18 : Math.max(4, event.clientY - 12 - tip.offsetHeight))}px`;
  });
  picture.addEventListener("pointerleave", hide);
})();
