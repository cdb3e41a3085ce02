
"use strict";
(() => {
  const PER_PAGE = 48, FACES_SHOWN = 3, OLDEST = 116, YEARS_A_BAR = 5;
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);

  // Data ---------------------------------------------------------------------------------------
  const read = (kind) => [...document.querySelectorAll("script." + kind)].map((node) => {
    const value = JSON.parse(node.textContent);
    node.remove();
    return value;
  });
  const about = read("about")[0], HEADS = about.heads.shown, end = read("end")[0] || {complete: false};
  const rows = read("row");
  const faces = rows.flatMap((row, index) => row.faces.map((face, number) => {
    Object.assign(face, {index, number: number + 1, known: !face.rejected});
    return face;
  }));
  const known = faces.filter((face) => face.known);
  const compared = about.models.length > 1;
  const classes = {};
  for (const head of HEADS) {
    const one = known.find((face) => face[head]);
    if (one) classes[head] = Object.keys(one[head + "_probabilities"]);
  }

  // Elements -----------------------------------------------------------------------------------
  // Text is only ever set as text: a name that looks like markup is shown as it is.
  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };
  const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const track = (share) => {
    const part = el("span", {class: "fill"});
    part.style.width = (100 * share).toFixed(1) + "%";
    return el("span", {class: "track"}, part);
  };
  const percent = (share) => {
    const rounded = Math.floor(100 * share + 0.5);
    return rounded === 0 && share > 0.0005 ? "<1%" : rounded + "%";
  };
  const plural = (count, one, many) => count.toLocaleString("en") + " " + (count === 1 ? one : many);

  // Filters ------------------------------------------------------------------------------------
  const chosen = Object.fromEntries(HEADS.map((head) => [head, new Set()]));
  let page = 0;
  const number = (id, otherwise) => (byId(id).value === "" ? otherwise : Number(byId(id).value));
  const confidence = (face) => {
    const heads = HEADS.filter((head) => face[head]);
    const counted = heads.filter((head) => chosen[head].size) ;
    const shares = (counted.length ? counted : heads).map((head) => face[head + "_probabilities"][face[head]]);
    return shares.length ? Math.min(...shares) : 1;
  };
  // One head may be left out, so that its own bars show what choosing another class would give.
  const matcher = (without = null) => {
    const from = number("age-from", 0), to = number("age-to", Infinity);
    const aged = byId("age-from").value !== "" || byId("age-to").value !== "";
    const sure = Number(byId("sure").value) / 100, name = byId("name").value.trim().toLowerCase();
    return (face) => face.known
      && HEADS.every((head) => head === without || !chosen[head].size || chosen[head].has(face[head]))
      && (without === "age" || !aged
        || (face.age_years !== undefined && Math.floor(face.age_years) >= from && Math.floor(face.age_years) <= to))
      && (sure === 0 || confidence(face) >= sure)
      && (!name || rows[face.index].source.toLowerCase().includes(name));
  };
  const filtering = () => HEADS.some((head) => chosen[head].size) || byId("age-from").value !== ""
    || byId("age-to").value !== "" || byId("sure").value !== "0";

  // Overview -----------------------------------------------------------------------------------
  const histogram = (matches) => {
    const bars = Math.ceil((OLDEST + 1) / YEARS_A_BAR), all = new Array(bars).fill(0), some = new Array(bars).fill(0);
    for (const face of known) {
      if (face.age_years === undefined) continue;
      const bar = Math.min(Math.floor(face.age_years / YEARS_A_BAR), bars - 1);
      all[bar] += 1;
      if (matches(face)) some[bar] += 1;
    }
    const width = 360, height = 130, floor = height - 18, most = Math.max(...all, 1), step = width / bars;
    const chart = svg("svg", {class: "histogram", viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": "Faces by age, in steps of five years"});
    all.forEach((count, bar) => {
      const span = `${bar * YEARS_A_BAR} to ${bar * YEARS_A_BAR + YEARS_A_BAR - 1} years: `;
      const group = svg("g", {}, svg("title", {}, span + plural(some[bar], "face", "faces") + ` of ${count}`));
      for (const [kind, value] of [["all", count], ["some", some[bar]]]) {
        const tall = value / most * (floor - 4);
        group.append(svg("rect", {class: kind, x: bar * step + 1, width: step - 2, y: floor - tall, height: tall}));
      }
      chart.append(group);
    });
    chart.append(svg("line", {class: "axis", x1: 0, x2: width, y1: floor, y2: floor}));
    for (let years = 0; years < OLDEST; years += 20) {
      chart.append(svg("text", {x: years / YEARS_A_BAR * step, y: height - 4}, String(years)));
    }
    byId("ages").replaceChildren(chart);
  };
  const choices = () => Object.entries(classes).map(([head, names]) => {
    const counts = new Map(names.map((name) => [name, 0]));
    const counted = known.filter((face) => face[head]).filter(matcher(head));
    for (const face of counted) counts.set(face[head], (counts.get(face[head]) || 0) + 1);
    return el("fieldset", {}, el("legend", {}, head[0].toUpperCase() + head.slice(1)), ...names.map((name) => {
      const share = counted.length ? counts.get(name) / counted.length : 0;
      return el("button", {type: "button", class: "choice", "aria-pressed": String(chosen[head].has(name)),
        "data-head": head, "data-name": name, title: percent(share)},
      el("span", {}, name), track(share), el("span", {}, counts.get(name).toLocaleString("en")));
    }));
  });
  const overview = (matches) => {
    histogram(matches);
    const focused = document.activeElement && document.activeElement.dataset ? {...document.activeElement.dataset} : {};
    byId("heads").replaceChildren(...choices());
    if (focused.head) {
      const again = [...document.querySelectorAll(".choice")]
        .find((node) => node.dataset.head === focused.head && node.dataset.name === focused.name);
      if (again) again.focus();
    }
  };

  // Cards --------------------------------------------------------------------------------------
  const bar = (name, share, minor) =>
    el("div", {class: minor ? "bar minor" : "bar"}, el("span", {}, name), track(share), el("span", {}, percent(share)));
  const curve = (face) => {
    const width = 240, height = 70, floor = height - 14, most = Math.max(...face.age_distribution);
    const across = (years) => (years + 0.5) / (OLDEST + 1) * width;
    const points = face.age_distribution.map((share, year) =>
      `${across(year).toFixed(1)},${(floor - share / most * (floor - 2)).toFixed(1)}`);
    const [low, high] = face.age_interval_90;
    const chart = svg("svg", {class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `Age distribution, 90 % interval ${low} to ${high} years`},
    svg("rect", {class: "interval", x: across(low - 0.5), width: across(high) - across(low - 1), y: 0, height: floor}),
    svg("polygon", {class: "area", points: `0,${floor} ${points.join(" ")} ${width},${floor}`}),
    svg("line", {class: "mean", x1: across(face.age_years), x2: across(face.age_years), y1: 0, y2: floor}));
    for (let years = 0; years < OLDEST; years += 20) {
      chart.append(svg("text", {x: across(years - 0.5), y: height - 2}, String(years)));
    }
    return chart;
  };
  const probabilities = (face) => {
    const parts = [];
    if (face.age_distribution) parts.push(el("h4", {}, "age"), curve(face));
    const tables = about.heads.all.map((head) => [head, face[head + "_probabilities"]]);
    for (const [title, table] of [["age groups", face.age_band_probabilities], ...tables]) {
      if (!table) continue;
      const most = Math.max(...Object.values(table));
      parts.push(el("h4", {}, title));
      parts.push(...Object.entries(table).map(([name, share]) => bar(name, share, share < most)));
    }
    return parts.length ? el("details", {}, el("summary", {}, "all probabilities"), ...parts) : null;
  };
  const comparison = (models) => {
    const shown = ["age", ...HEADS].filter((head) => Object.values(models).some((said) => said[head] || head === "age"));
    const cell = (said, head) => {
      if (head === "age") {
        return said.age_years === undefined ? "" : `${Math.round(said.age_years)} (${said.age_interval_90.join("-")})`;
      }
      if (said[head] && said.uncertain?.includes(head)) return "uncertain";
      return said[head] ? `${said[head]} ${percent(said[head + "_probabilities"][said[head]])}` : "";
    };
    return el("div", {class: "compared", tabindex: "0", role: "group", "aria-label": "What each model says"}, el("table", {},
      el("thead", {}, el("tr", {}, el("th", {scope: "col"}, "model"),
        ...shown.map((head) => el("th", {scope: "col"}, head)))),
      el("tbody", {}, ...Object.entries(models).map(([name, said]) =>
        el("tr", {}, el("th", {scope: "row"}, name), ...shown.map((head) => el("td", {}, cell(said, head))))))));
  };
  const faceBlock = (face, alone, matches) => {
    const label = alone ? "" : face.number + ". ";
    const block = el("div", {class: matches(face) ? "face" : "face other"});
    block.append(face.crop ? el("img", {src: face.crop, alt: "face " + face.number, width: 67, height: 67, loading: "lazy"}) : el("span"));
    const text = el("div");
    if (face.rejected) {
      text.append(el("p", {}, label + "not a face " + percent(1 - face.face_probability)));
    } else {
      if (face.age_years !== undefined) {
        const band = face.age_band ? ` · ${face.age_band}: ${percent(face.age_band_probability)}` : "";
        text.append(el("p", {}, `${label}${Math.round(face.age_years)} years `,
          el("span", {}, `90 %: ${face.age_interval_90.join(" to ")}${band}`)));
      } else if (label) text.append(el("p", {}, label));
      for (const head of HEADS) {
        const name = face.uncertain?.includes(head) ? `${head} uncertain` : face[head];
        if (face[head]) text.append(bar(name, face[head + "_probabilities"][face[head]], name !== face[head]));
      }
      const more = probabilities(face);
      if (more) text.append(more);
    }
    block.append(text);
    if (face.models) block.append(comparison(face.models));
    return block;
  };
  const pictureOf = (row, matches) => {
    if (!row.thumb) return el("div", {class: "picture"}, el("p", {class: "nothing"}, row.error || "no thumbnail"));
    const boxes = svg("svg", {viewBox: `0 0 ${row.width} ${row.height}`, preserveAspectRatio: "none", "aria-hidden": "true"});
    for (const face of row.faces) {
      const [left, top, right, bottom] = face.box_xyxy;
      const place = {x: left, y: top, width: right - left, height: bottom - top};
      boxes.append(svg("rect", {...place, class: "box back"}));
      boxes.append(svg("rect", {...place, class: matches(face) ? "box" : "box other"}));
    }
    // Its place is kept before it is decoded, so that nothing on the page moves when it comes.
    const image = el("img", {src: row.thumb, width: row.thumb_size[0], height: row.thumb_size[1], alt: `${row.source}: ${plural(row.faces.length, "face", "faces")}`, loading: "lazy"});
    return el("div", {class: "picture"}, el("span", {}, image, boxes));
  };
  const card = (row, matches) => {
    const name = row.source.split(/[\\/]/).pop() || row.source;
    const facts = row.error && row.thumb ? row.error
      : row.error ? "could not be analysed"
        : `${row.width} x ${row.height}, ${row.faces.length ? plural(row.faces.length, "face", "faces") : "no face"}`;
    const text = el("div", {}, el("h3", {title: row.source}, name), el("small", {}, facts));
    const blocks = row.faces.map((face) => [matches(face), faceBlock(face, row.faces.length === 1, matches)]);
    const ordered = [...blocks.filter(([match]) => match), ...blocks.filter(([match]) => !match)].map(([, block]) => block);
    text.append(...ordered.slice(0, FACES_SHOWN));
    if (ordered.length > FACES_SHOWN) {
      const rest = ordered.slice(FACES_SHOWN);
      text.append(el("details", {}, el("summary", {}, plural(rest.length, "more face", "more faces")), ...rest));
    }
    return el("article", {class: "card"}, pictureOf(row, matches), text);
  };

  // Results ------------------------------------------------------------------------------------
  const selected = (matches) => {
    const name = byId("name").value.trim().toLowerCase();
    const show = byId("show").value, found = new Map();
    for (const face of known) {
      if (matches(face)) found.set(face.index, [...(found.get(face.index) || []), face]);
    }
    const kept = rows.map((row, index) => ({row, index, faces: found.get(index) || []})).filter(({row, faces: some}) => {
      if (name && !row.source.toLowerCase().includes(name)) return false;
      if (show === "errors") return row.error !== null;
      if (show === "none") return row.error === null && !row.faces.some((face) => face.known);
      return show === "all" || some.length > 0 || (!filtering() && row.error === null);
    });
    const order = byId("order").value;
    const least = (one, value) => (one.faces.length ? Math.min(...one.faces.map(value)) : Infinity);
    const age = (face) => (face.age_years === undefined ? Infinity : face.age_years);
    const oldness = (face) => (face.age_years === undefined ? Infinity : -face.age_years);
    const keys = {young: age, old: oldness, sure: (face) => -confidence(face), unsure: confidence};
    if (keys[order]) {
      const placed = new Map(kept.map((one) => [one, least(one, keys[order])]));
      kept.sort((a, b) => (placed.get(a) === placed.get(b) ? a.index - b.index : placed.get(a) < placed.get(b) ? -1 : 1));
    }
    return kept;
  };
  const update = () => {
    const matches = matcher(), kept = selected(matches);
    byId("sure-value").textContent = byId("sure").value + " %";
    overview(matches);
    const pages = Math.max(Math.ceil(kept.length / PER_PAGE), 1);
    page = Math.min(Math.max(page, 0), pages - 1);
    const matched = known.filter(matches).length;
    byId("found").textContent = `${plural(kept.length, "picture", "pictures")} of ${rows.length.toLocaleString("en")}, `
      + `${plural(matched, "matching face", "matching faces")} of ${known.length.toLocaleString("en")}`;
    byId("cards").replaceChildren(...kept.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((one) => card(one.row, matches)));
    byId("pages").hidden = pages === 1;
    byId("page").textContent = `${page + 1} of ${pages}`;
    byId("before").disabled = page === 0;
    byId("after").disabled = page === pages - 1;
  };
  const turn = (by) => {
    page += by;
    update();
    byId("results").scrollIntoView();
    byId("results").focus({preventScroll: true});
  };

  // The page -----------------------------------------------------------------------------------
  const agreement = () => {
    const names = about.models.map((model) => model.name), lines = [];
    names.forEach((one, index) => names.slice(index + 1).forEach((other) => {
      const pairs = known.filter((face) => face.models).map((face) => [face.models[one], face.models[other]]);
      const both = (key) => pairs.filter(([a, b]) => a && b && a[key] !== undefined && b[key] !== undefined);
      const years = both("age_years").map(([a, b]) => Math.abs(a.age_years - b.age_years));
      const parts = years.length ? [`ages ${(years.reduce((a, b) => a + b) / years.length).toFixed(1)} years apart`] : [];
      for (const head of HEADS) {
        const labels = both(head);
        if (labels.length) parts.push(`same ${head} ${percent(labels.filter(([a, b]) => a[head] === b[head]).length / labels.length)}`);
      }
      lines.push(`${one} and ${other}, ${plural(pairs.length, "face", "faces")}: ${parts.join(", ") || "no head in common"}`);
    }));
    return lines;
  };
  const list = (id, lines) => byId(id).replaceChildren(...lines.map((line) => el("li", {}, line)));
  const failed = rows.filter((row) => row.error !== null).length;
  byId("count").textContent = plural(rows.length, "picture", "pictures");
  byId("made").textContent = `${plural(known.length, "face", "faces")}, read by ${about.models.map((model) => model.name).join(" and ")}. `
    + (failed ? `${plural(failed, "picture", "pictures")} could not be analysed. ` : "")
    + `facecli ${about.version}, ${about.created.replace("T", " ")}. Nothing on this page was sent anywhere.`;
  list("caution-list", [...about.models.map((model) => `${model.name}: ${model.measured}`), ...about.cautions]);
  if (compared) {
    list("agreement", agreement());
    byId("models").hidden = false;
  }
  const notices = [];
  if (!end.complete) notices.push("The run was interrupted: what came after is not on this page.");
  if (end.smaller_from != null) notices.push(`From picture ${end.smaller_from + 1} on thumbnails are smaller, so that the page stays light.`);
  if (end.none_from != null) notices.push(`From picture ${end.none_from + 1} on there are none.`);
  byId("notice").textContent = notices.join(" ");
  byId("notice").hidden = !notices.length;
  if (!known.length) byId("filters").hidden = rows.length === 0;

  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("input", () => { page = 0; update(); });
  byId("filters").addEventListener("reset", () => {
    Object.values(chosen).forEach((names) => names.clear());
    page = 0;
    setTimeout(update);
  });
  byId("heads").addEventListener("click", (event) => {
    const button = event.target.closest(".choice");
    if (!button) return;
    const {head, name} = button.dataset;
    if (!chosen[head].delete(name)) chosen[head].add(name);
    page = 0;
    update();
  });
  byId("before").addEventListener("click", () => turn(-1));
  byId("after").addEventListener("click", () => turn(1));
  update();
})();
