// A relay as the notifier meets one in production (STARTTLS and AUTH are required), before maildev, which keeps the mails and
// shows them on a web page. A mail is answered with 250 only when maildev has it.
// Recipients at bounce.example and below it do not exist: their mails are taken and come back as reports (RFC 3464), into the Maildir
// FOLDER/bounces/ADDRESS of the envelope sender without its tag. A name that begins with "slow" is only delayed.
// Usage: node mailbox.js FOLDER SMTP_PORT WEB_PORT
'use strict'
const crypto = require('crypto')
const fs = require('fs')
const net = require('net')
const path = require('path')
const maildev = require('maildev')
const SMTPConnection = require('nodemailer/lib/smtp-connection')
const { SMTPServer } = require('smtp-server')

const [folder, smtpPort, webPort] = process.argv.slice(2)
const loopback = '127.0.0.1'
const user = 'mimamori'
const password = fs.readFileSync(path.join(folder, 'relay.password'), 'utf8').trim()

function freePort () {
  return new Promise((resolve, reject) => {
    const probe = net.createServer()
    probe.once('error', reject)
    probe.listen(0, loopback, () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

const nowhere = /@(?:[a-z0-9-]+\.)*bounce\.example$/i
const taggedSender = /^([a-z0-9._-]+)(\+[0-9a-f]{32})?(@[a-z0-9.-]+)$/i

// Delivers a report about one recipient, as a mail server does when it learns that there is nobody.
function sendBack (sender, recipient, mail) {
  const parts = taggedSender.exec(sender)
  if (!parts) { throw new Error(`no report can be sent to <${sender}>`) }
  const maildir = path.join(folder, 'bounces', parts[1] + parts[3])
  for (const name of ['tmp', 'new', 'cur']) { fs.mkdirSync(path.join(maildir, name), { recursive: true }) }
  const delayed = recipient.startsWith('slow')
  const text = mail.toString('latin1')
  const headers = text.slice(0, text.indexOf('\r\n\r\n')).replace(/\r\n/g, '\n')
  const id = `${Date.now()}.${crypto.randomBytes(8).toString('hex')}.mailbox`
  const boundary = `=_${id}`
  const report = [
    'Return-Path: <>', `Delivered-To: ${sender}`, 'From: Mail Delivery System <mailer-daemon@bounce.example>', `To: ${sender}`,
    `Subject: ${delayed ? 'Delayed Mail (still being retried)' : 'Undelivered Mail Returned to Sender'}`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`, `Message-ID: <${id}@bounce.example>`, 'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0', `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`, '',
    `--${boundary}`, 'Content-Type: text/plain; charset=us-ascii', '', `The mail to <${recipient}> was not delivered.`, '',
    `--${boundary}`, 'Content-Type: message/delivery-status', '', 'Reporting-MTA: dns; mx.bounce.example', '',
    `Final-Recipient: rfc822; ${recipient}`, `Action: ${delayed ? 'delayed' : 'failed'}`, `Status: ${delayed ? '4.2.2' : '5.1.1'}`,
    `Diagnostic-Code: smtp; ${delayed ? '452 4.2.2 mailbox full' : '550 5.1.1 no such user here'}`, '',
    `--${boundary}`, 'Content-Type: text/rfc822-headers', '', headers, '', `--${boundary}--`, ''
  ].join('\n')
  fs.writeFileSync(path.join(maildir, 'tmp', id), report, 'latin1')
  fs.renameSync(path.join(maildir, 'tmp', id), path.join(maildir, 'new', id))
}

// Hands one mail, byte for byte, to maildev.
function store (port, envelope, mail) {
  return new Promise((resolve, reject) => {
    const inner = new SMTPConnection({ host: loopback, port, ignoreTLS: true })
    inner.once('error', reject)
    inner.connect(() => inner.send(envelope, mail, (error) => {
      inner.quit()
      if (error) { reject(error) } else { resolve() }
    }))
  })
}

async function main () {
  const innerPort = await freePort()
  const mailbox = maildev({
    smtp: innerPort,
    web: Number(webPort),
    ip: loopback,
    webIp: loopback,
    mailDirectory: path.join(folder, 'mails'),
    silent: true
  })
  await mailbox.listen()
  const relay = new SMTPServer({
    name: 'localhost',
    banner: 'mimamori development relay',
    key: fs.readFileSync(path.join(folder, 'relay.key')),
    cert: fs.readFileSync(path.join(folder, 'relay.crt')),
    size: 10 * 1024 * 1024,
    onAuth (auth, session, callback) {
      const good = auth.username === user && auth.password === password
      callback(good ? null : new Error('wrong user or password'), good ? { user } : undefined)
    },
    // Whoever is called "unknown" has no mailbox here.
    onRcptTo (address, session, callback) {
      const known = !address.address.startsWith('unknown@')
      callback(known ? null : Object.assign(new Error('no such mailbox'), { responseCode: 550 }))
    },
    onData (stream, session, callback) {
      let pieces = []
      stream.on('data', (piece) => {
        if (stream.sizeExceeded) { pieces = [] } else { pieces.push(piece) }
      })
      stream.on('end', () => {
        if (stream.sizeExceeded) {
          callback(Object.assign(new Error('the mail is larger than the relay takes'), { responseCode: 552 }))
          return
        }
        const mail = Buffer.concat(pieces)
        const from = session.envelope.mailFrom ? session.envelope.mailFrom.address : ''
        const to = session.envelope.rcptTo.map((recipient) => recipient.address)
        const reachable = to.filter((recipient) => !nowhere.test(recipient))
        const kept = reachable.length > 0 ? store(innerPort, { from, to: reachable }, mail) : Promise.resolve()
        kept.then(() => {
          for (const recipient of to.filter((one) => nowhere.test(one))) { sendBack(from, recipient, mail) }
        }).then(() => callback(null, 'kept'), callback)
      })
    }
  })
  relay.on('error', (error) => { // of one client, or of the listening socket
    console.error(error.message)
    if (!relay.server.listening) { process.exit(1) }
  })
  relay.listen(Number(smtpPort), loopback)
}

process.on('SIGTERM', () => process.exit(0))
main().catch((error) => {
  console.error(error)
  process.exit(1)
})
