/* Puts a Swiftex form where this script stands: <script async src=".../embed.js" data-form="acme.landing"></script>
   The page's own utm, gclid and fbclid parameters travel along. When the form was sent, the page gets a
   "swiftex:form-sent" event on its window. */
(function () {
  "use strict";
  var base = "{{ public_url|escapejs }}";
  var kept = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "fbclid"];
  var scripts = document.querySelectorAll("script[data-form]");
  for (var i = 0; i < scripts.length; i++) { place(scripts[i]); }

  function place(script) {
    if (script.getAttribute("data-placed")) { return; }
    script.setAttribute("data-placed", "1");
    var key = script.getAttribute("data-form");
    var own = new URLSearchParams(window.location.search);
    var query = new URLSearchParams({ embed: "1" });
    kept.forEach(function (name) { if (own.get(name)) { query.set(name, own.get(name)); } });
    var frame = document.createElement("iframe");
    frame.src = base + "/forms/" + encodeURIComponent(key) + "?" + query.toString();
    frame.title = "Contact form";
    frame.style.cssText = "width:100%;border:0;min-height:" + (script.getAttribute("data-height") || "720") + "px";
    script.parentNode.insertBefore(frame, script.nextSibling);
    window.addEventListener("message", function (message) {
      var sent = message.source === frame.contentWindow && message.data && message.data.type === "swiftex:form-sent";
      if (sent) { window.dispatchEvent(new CustomEvent("swiftex:form-sent", { detail: { form: key } })); }
    });
  }
})();
