/* Panels of class "tabs" one at a time. Without this script, and in print, all of them show. */
(() => {
  "use strict";
  for (const holder of document.querySelectorAll(".tabs")) {
    const panels = [...holder.querySelectorAll(":scope > .panel")];
    if (panels.length < 2) continue;
    const list = document.createElement("div");
    list.className = "tablist";
    list.setAttribute("role", "tablist");
    const tabs = panels.map((panel) => {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.id = `${panel.id}-tab`;
      tab.textContent = panel.dataset.name;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      list.append(tab);
      return tab;
    });
    const choose = (chosen) => {
      tabs.forEach((tab, i) => {
        tab.setAttribute("aria-selected", String(i === chosen));
        tab.tabIndex = i === chosen ? 0 : -1;
        panels[i].classList.toggle("away", i !== chosen);
      });
    };
    tabs.forEach((tab, i) => {
      tab.addEventListener("click", () => choose(i));
      tab.addEventListener("keydown", (event) => {
        const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const next = (to + tabs.length) % tabs.length;
        choose(next);
        tabs[next].focus();
      });
    });
    holder.prepend(list);
    choose(0);
  }
})();
