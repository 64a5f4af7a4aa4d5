// The search of the site runs in a worker. Browsers start no worker for a page that is opened as a file (file://), so there
// its script runs in a hidden frame. Zensical would fetch such a script from another host, were there none of this name.
if (location.protocol === "file:") {
  window.Worker = class FrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      this.send = inside.postMessage.bind(inside);
      inside.postMessage = (data) => this.receive(new MessageEvent("message", { data }));
      const script = inside.document.createElement("script");
      script.src = new URL(url, document.baseURI).href;
      this.loaded = new Promise((resolve) => script.addEventListener("load", resolve));
      script.addEventListener("error", () => this.receive(new ErrorEvent("error", { message: `${script.src} is missing` })));
      inside.document.head.append(script);
    }

    receive(event) {
      this.dispatchEvent(event);
      this[`on${event.type}`]?.(event);
    }

    postMessage(data) {
      this.loaded.then(() => this.send(data, "*"));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
