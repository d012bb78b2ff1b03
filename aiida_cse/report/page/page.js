// Links to the figures, which stand once in the page; copying of citations; folded tables in print.
for (const link of document.querySelectorAll("a[data-of]")) {
  link.href = document.getElementById(link.dataset.of).src;
  link.hidden = false;
}
for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const text = document.getElementById(button.dataset.copies);
    getSelection().selectAllChildren(text);
    document.execCommand("copy");
    button.textContent = "copied";
  });
}
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details")) one.open = true;
});
