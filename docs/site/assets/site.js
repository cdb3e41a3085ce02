// What the theme leaves out for those who do not use a mouse: names for the buttons of code blocks, and wide
// tables that the keyboard can move.
function complete() {
  document.querySelectorAll(".md-code__nav:not([aria-label])").forEach((nav) => {
    const number = nav.parentElement.id.replace(/\D+/g, "");
    nav.setAttribute("aria-label", `Code ${Number(number) + 1}`);
  });
  document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach((table, place) => {
    table.tabIndex = 0;
    table.setAttribute("role", "group");
    table.setAttribute("aria-label", `Table ${place + 1}`);
  });
}
new MutationObserver(complete).observe(document.documentElement, { childList: true, subtree: true });
complete();
