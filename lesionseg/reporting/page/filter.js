/* Controls of class "filters" hide the rows of a table: data-same="key" shows rows whose data-key is
   the value chosen, or any where it is empty; data-least="key" those whose data-key reaches it. */
(() => {
  "use strict";
  for (const bar of document.querySelectorAll(".filters")) {
    const rows = [...document.getElementById(bar.dataset.table).tBodies[0].rows];
    const same = [...bar.querySelectorAll("[data-same]")];
    const least = [...bar.querySelectorAll("[data-least]")];
    const count = bar.querySelector("[data-part='count']");
    const filter = () => {
      let shown = 0;
      for (const row of rows) {
        const fits =
          same.every((one) => one.value === "" || row.dataset[one.dataset.same] === one.value) &&
          least.every((one) => Number(row.dataset[one.dataset.least]) >= Number(one.value));
        row.hidden = !fits;
        if (fits) shown += 1;
      }
      least.forEach((one) => { one.nextElementSibling.textContent = Number(one.value).toFixed(2); });
      count.textContent = `${shown} of ${rows.length}`;
    };
    [...same, ...least].forEach((one) => one.addEventListener("input", filter));
    filter();
  }
})();
