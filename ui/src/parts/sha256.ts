/**
 * SHA-256 (FIPS 180-4), in one piece and at once: a seal is drawn in the middle of a list and cannot wait for the
 * browser's asynchronous one. Used for pictures only, never to decide whether something is genuine.
 */

/** The first 32 bits of the fractional parts of the roots of the first primes: square roots, then cube roots. */
function roots(): { start: number[]; rounds: number[] } {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p !== 0)) primes.push(n);
  const bits = (x: number) => ((x - Math.floor(x)) * 2 ** 32) | 0;
  return { start: primes.slice(0, 8).map((p) => bits(Math.sqrt(p))), rounds: primes.map((p) => bits(Math.cbrt(p))) };
}

const { start, rounds } = roots();
const turn = (x: number, by: number) => (x >>> by) | (x << (32 - by));

/** 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  const blocks = Math.ceil((message.length + 9) / 64);
  const padded = new DataView(new ArrayBuffer(blocks * 64));
  message.forEach((byte, i) => padded.setUint8(i, byte));
  padded.setUint8(message.length, 0x80);
  padded.setUint32(blocks * 64 - 8, Math.floor(message.length / 2 ** 29));
  padded.setUint32(blocks * 64 - 4, message.length << 3);

  const h = new Int32Array(start);
  const w = new Int32Array(64);
  for (let block = 0; block < blocks; block += 1) {
    for (let i = 0; i < 16; i += 1) w[i] = padded.getInt32(block * 64 + i * 4);
    const at = (i: number) => w[i] ?? 0;
    for (let i = 16; i < 64; i += 1) {
      const [a, b] = [at(i - 15), at(i - 2)];
      w[i] = at(i - 16) + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + at(i - 7) + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, k = 0] = h;
    for (let i = 0; i < 64; i += 1) {
      const one = (k + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + (rounds[i] ?? 0) + at(i)) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [k, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, k].forEach((value, i) => (h[i] = (h[i] ?? 0) + value));
  }
  const out = new DataView(new ArrayBuffer(32));
  h.forEach((value, i) => out.setInt32(i * 4, value));
  return new Uint8Array(out.buffer);
}
