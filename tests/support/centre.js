// An SMS centre by the npm package `smpp`: independent of our reading of SMPP. One line of JSON for what it got.
//
// Options as JSON in the first argument: the folder of the package, how many submissions to throttle.
const options = JSON.parse(process.argv[2]);
const smpp = require(options.modules + '/smpp');
let number = 0, throttled = 0;

function say(what) { process.stdout.write(JSON.stringify(what) + '\n'); }

function receipt(session, pdu, id) {
  const done = '2601011031';
  const text = `id:${id} sub:001 dlvrd:001 submit date:2601011030 done date:${done} stat:DELIVRD err:000 text:`;
  const told = {source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
                short_message: text};
  if (options.tlvs) Object.assign(told, {receipted_message_id: id, message_state: 2});
  session.deliver_sm(told, (answer) => say({answered: answer.command_status, id}));
}

function reply(session, pdu) {
  const parts = ['Да, я согласен получать ', 'сообщения и дальше 🙂'];
  parts.forEach((part, index) => session.deliver_sm(
    {source_addr: pdu.destination_addr, source_addr_ton: 1, source_addr_npi: 1, destination_addr: pdu.source_addr,
     data_coding: 8, short_message: {udh: Buffer.from([5, 0, 3, 7, parts.length, index + 1]), message: part}},
    (answer) => say({answered: answer.command_status, part: index + 1})));
}

const server = smpp.createServer((session) => {
  session.on('error', () => {});
  session.on('pdu', (pdu) => {
    if (pdu.command.startsWith('bind_') && !pdu.command.endsWith('_resp')) {
      const status = pdu.password === 'secret' ? 0 : smpp.ESME_RINVPASWD;
      say({bind: pdu.command, system_id: pdu.system_id, status});
      session.send(pdu.response({command_status: status, system_id: 'npm'}));
    } else if (pdu.command === 'submit_sm') {
      if (throttled < (options.throttle || 0)) {
        throttled += 1;
        session.send(pdu.response({command_status: smpp.ESME_RTHROTTLED}));
        return;
      }
      const id = String(++number);
      const short = pdu.message_payload || pdu.short_message;
      say({submit: id, source: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr],
           dest: [pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr], coding: pdu.data_coding,
           text: short.message, udh: short.udh ? Buffer.concat([].concat(short.udh)).toString('hex') : '',
           sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum],
           validity: pdu.validity_period, registered: pdu.registered_delivery});
      session.send(pdu.response({message_id: id}));
      if (pdu.registered_delivery) receipt(session, pdu, id);
      if (short.message === 'Ответьте') reply(session, pdu);
    } else if (pdu.command === 'enquire_link') {
      session.send(pdu.response());
    } else if (pdu.command === 'unbind') {
      say({unbind: true});
      session.send(pdu.response());
      session.close();
    }
  });
});
server.listen(0, '127.0.0.1', () => say({port: server.address().port}));
