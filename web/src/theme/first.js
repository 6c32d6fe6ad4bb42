/* Before the first paint: the theme that was chosen. Without a choice the stylesheet follows the system. */
(function () {
  try {
    var chosen = localStorage.getItem("longshore.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    /* Storage is off: the system's theme it is. */
  }
})();
