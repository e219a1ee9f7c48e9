// A released library for Node that verifies one request over and over, its key at hand.
//   node libraries.cjs FOLDER NAME URL HEADERS JWK   (the last two are JSON)
// Each line of standard input is a number of seconds; the answer is how often a second of this process's own time on
// a core it verified, a line each.
const readline = require('node:readline')
const [folder, name, url, headersText, jwkText] = process.argv.slice(2)
const headers = JSON.parse(headersText)
const jwk = JSON.parse(jwkText)
const load = (file) => require(require.resolve(file, { paths: [folder] }))

const libraries = {
  cloudflare: async () => {
    const { verify } = load('web-bot-auth')
    const { verifierFromJWK } = load('web-bot-auth/crypto')
    const verifier = await verifierFromJWK(jwk)
    return () => verify(new Request(url, { headers }), verifier)
  },
  javascript: async () => {
    const { primitives } = load('vestauth')
    return () => primitives.verify('GET', url, headers, jwk)
  }
}

function spent () {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function main () {
  const verify = await libraries[name]()
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [began, seconds] = [spent(), Number(line)]
    let [done, took] = [0, 0]
    while ((took = spent() - began) < seconds) {
      for (let i = 0; i < 20; i++) await verify()
      done += 20
    }
    console.log(done / took)
  }
}

main()
