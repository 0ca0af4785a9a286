"use strict";
(() => {
  const ANY = "*any*";
  const at = id => document.getElementById(id);
  const groups = [...document.querySelectorAll(".group")];
  const selects = [...document.querySelectorAll(".controls select")].map(select => select.id);
  const texts = new Map();
  const fits = (element, name) => !at(name) || at(name).value === ANY || element.dataset[name] === at(name).value;
  const contains = (group, sought) => {
    if (!sought) return true;
    if (!texts.has(group)) {
      texts.set(group, [...group.querySelectorAll("pre")].map(text => text.textContent).join("\n").toLowerCase());
    }
    return texts.get(group).includes(sought);
  };

  const showResponses = group => {
    const responses = [...group.querySelectorAll(".response")];
    const fitting = responses.filter(response => fits(response, "label") && fits(response, "verdict"));
    const shown = at("whole").checked ? responses : fitting;
    for (const response of responses) {
      response.hidden = !shown.includes(response) && !response.classList.contains("chosen");
    }
    const hidden = responses.filter(response => response.hidden).length;
    const rest = group.querySelector(".rest");
    rest.hidden = hidden === 0;
    rest.textContent = `${hidden} of ${responses.length} responses match no filter; "whole groups" shows them.`;
    return fitting.length > 0;
  };

  const apply = () => {
    const sought = at("search").value.trim().toLowerCase();
    let count = 0;
    for (const group of groups) {
      const matches = ["step", "kind", "direction", "source"].every(name => fits(group, name))
        && showResponses(group) && contains(group, sought);
      group.hidden = !matches;
      count += matches;
    }
    at("count").textContent = count === 0
      ? `None of the ${groups.length} groups on this page matches.`
      : `${count} of ${groups.length} groups on this page`;
    label();
  };

  const visible = () => groups.filter(group => !group.hidden);
  const label = () => { at("open").textContent = visible().every(group => group.open) ? "Close all" : "Open all"; };

  for (const name of [...selects, "whole"]) at(name).addEventListener("change", apply);
  let waiting = 0;
  at("search").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 120); });
  at("open").addEventListener("click", () => {
    const open = !visible().every(group => group.open);
    for (const group of visible()) group.open = open;
    label();
  });
  at("reset").addEventListener("click", () => {
    for (const name of selects) at(name).value = ANY;
    at("search").value = "";
    at("whole").checked = false;
    apply();
  });
  for (const group of groups) group.addEventListener("toggle", label);
  apply();
})();
