// The scenario that Kaskad's `voximplant` account starts for each call. Paste all of it into a scenario of your
// application at Voximplant, and give that scenario a routing rule, whose number is the account's `rule_id`.
// Nothing in here is secret: what a call needs comes with its start, and each call has a key of its own that
// can tell of this one message only.
require(Modules.AMD);

const LISTEN_FOR_KEY_MS = 5000; // after the text
const THANKS_MS = 6000; // longest thanks
const LIMIT_MS = 180000; // of the whole call

VoxEngine.addEventListener(AppEvents.Started, (started) => {
  // {to, from, text, thanks, keys, voice, amd, callback, reference, key}
  const order = JSON.parse(VoxEngine.customData());
  const session = String(started.sessionId);
  let connectedAt = 0, heardAt = 0, times = 0, pressed = false, machine = false, done = false;
  let keyTimer = null;

  // Telling never ends the call: what is lost here is asked for later (GetCallHistory).
  const tell = (event, more) => Net.httpRequestAsync(order.callback, {
    method: "POST",
    headers: ["Content-Type: application/json;charset=utf-8"],
    postData: JSON.stringify(Object.assign(
      {event, session, reference: order.reference, key: order.key, at: Date.now()}, more)),
  });
  const finish = (event, more) => {
    if (done) return;
    done = true;
    tell(event, more).then(VoxEngine.terminate, VoxEngine.terminate);
  };

  const options = {};
  let detector = null;
  if (order.amd && AMD.Model[order.amd]) {
    detector = AMD.create({model: AMD.Model[order.amd], timeout: 20000});
    options.amd = detector;
  }
  const call = VoxEngine.callPSTN(order.to, order.from, options);
  const voice = order.voice.split(".").reduce((list, name) => list && list[name], VoiceList);
  const say = (text) => call.say(text, voice ? {voice} : {});

  const speak = () => { // to a person, and in doubt too
    if (heardAt || machine || done) return;
    heardAt = Date.now();
    say(order.text);
  };
  if (detector) {
    detector.addEventListener(AMD.Events.DetectionComplete, (result) => {
      if (result.resultClass === AMD.ResultClass.VOICEMAIL) {
        machine = true;
        tell("machine");
        call.hangup();
      } else {
        speak();
      }
    });
    detector.addEventListener(AMD.Events.DetectionError, speak);
  }

  call.addEventListener(CallEvents.Ringing, () => tell("ringing"));
  call.addEventListener(CallEvents.Connected, () => {
    connectedAt = Date.now();
    call.handleTones(true);
    tell("connected");
    setTimeout(() => call.hangup(), LIMIT_MS);
    if (!detector) speak();
  });
  call.addEventListener(CallEvents.PlaybackFinished, () => {
    if (pressed) { call.hangup(); return; }
    times += 1;
    const next = times < 2 ? () => say(order.text) : () => call.hangup();
    keyTimer = setTimeout(next, order.keys ? LISTEN_FOR_KEY_MS : 1000);
  });
  call.addEventListener(CallEvents.ToneReceived, (e) => { // at any moment; the first that means something counts
    if (pressed || order.keys.indexOf(e.tone) < 0) return;
    pressed = true;
    clearTimeout(keyTimer);
    tell("tone", {tone: e.tone});
    call.stopPlayback();
    say(order.thanks);
    setTimeout(() => call.hangup(), THANKS_MS);
  });
  call.addEventListener(CallEvents.Failed, (e) => finish("failed", {code: e.code, reason: e.reason}));
  call.addEventListener(CallEvents.Disconnected, (e) => finish("ended", {
    machine,
    listened: heardAt ? Math.round((Date.now() - heardAt) / 1000) : 0,
    duration: e.duration,
    cost: e.cost,
  }));
});
