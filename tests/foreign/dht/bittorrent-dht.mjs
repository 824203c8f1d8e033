// Runs nodes of npm's bittorrent-dht on 127.0.0.1:
//   node bittorrent-dht.mjs <folder with node_modules> <count>
// Prints one line of JSON, ["127.0.0.1:port", …], and ends when its standard input closes.

import { createPublicKey, verify } from 'node:crypto'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [home, count] = process.argv.slice(2)
const { default: DHT } = await import(pathToFileURL(path.join(home, 'node_modules/bittorrent-dht/index.js')))

// SubjectPublicKeyInfo of Ed25519, up to the 32 bytes of the key.
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

// Without it a node refuses mutable items.
function ed25519 (signature, message, key) {
  const spki = Buffer.concat([SPKI, key])
  return verify(null, message, createPublicKey({ key: spki, format: 'der', type: 'spki' }), signature)
}

const nodes = []
for (let n = 0; n < Number(count); n++) {
  const node = new DHT({ bootstrap: false, verify: ed25519 })
  node.on('error', error => console.error(error))
  await new Promise(resolve => node.listen(0, '127.0.0.1', resolve))
  nodes.push(node)
}
for (const node of nodes) {
  for (const other of nodes) {
    if (other !== node) node.addNode({ host: '127.0.0.1', port: other.address().port, id: other.nodeId })
  }
}
console.log(JSON.stringify(nodes.map(node => `127.0.0.1:${node.address().port}`)))

process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
