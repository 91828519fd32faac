// A relay as the notifier meets one in production (STARTTLS and AUTH are required), before maildev, which keeps the mails and
// shows them on a web page. A mail is answered with 250 only when maildev has it.
// Usage: node mailbox.js FOLDER SMTP_PORT WEB_PORT
'use strict'
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
        const envelope = {
          from: session.envelope.mailFrom ? session.envelope.mailFrom.address : '',
          to: session.envelope.rcptTo.map((to) => to.address)
        }
        store(innerPort, envelope, Buffer.concat(pieces)).then(() => callback(null, 'kept'), callback)
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
