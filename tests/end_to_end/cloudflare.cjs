// Cloudflare's released web-bot-auth, driven by JSON on standard input; the answer is JSON on standard output.
//   {"do": "read", "url", "headers", "directory"}   verifies a request with the key in a directory of ours
//   {"do": "sign", "url", "agent", "jwk"}           signs a request, the agent named in the given Signature-Agent
const http = require('node:http')
const { signatureHeaders, verify, MediaType } = require('web-bot-auth')
const { signerFromJWK, verifierFromJWK } = require('web-bot-auth/crypto')

// *.localhost is not resolved everywhere, so it is reached where it always is.
function fetchDirectory (address) {
  const { host, port, pathname } = new URL(address)
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path: pathname, headers: { host } }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => resolve({ type: answer.headers['content-type'], ...JSON.parse(Buffer.concat(chunks)) }))
    }).on('error', reject)
  })
}

async function read ({ url, headers, directory }) {
  const { type, keys } = await fetchDirectory(directory)
  const keyid = /keyid="([^"]+)"/.exec(headers['Signature-Input'])[1]
  const key = keys.find((each) => each.kid === keyid)
  await verify(new Request(url, { headers }), await verifierFromJWK(key))
  return { verified: keyid, expected: type === MediaType.HTTP_MESSAGE_SIGNATURES_DIRECTORY }
}

async function sign ({ url, agent, jwk }) {
  const created = new Date()
  const request = new Request(url, { headers: { 'Signature-Agent': agent } })
  const expires = new Date(created.getTime() + 300_000)
  return { ...await signatureHeaders(request, await signerFromJWK(jwk), { created, expires }), 'Signature-Agent': agent }
}

async function main () {
  const chunks = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  const task = JSON.parse(Buffer.concat(chunks))
  const answer = await ({ read, sign })[task.do](task).catch((error) => ({ refused: error.message }))
  process.stdout.write(JSON.stringify(answer))
}

main()
