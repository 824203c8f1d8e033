/** Ten minutes of a quiet tone, so that the player has something to play. */
let url: string | null = null;

export function tone(): string {
  if (url) return url;
  const [rate, seconds] = [4000, 600];
  const bytes = new Uint8Array(44 + rate * seconds);
  const view = new DataView(bytes.buffer);
  const text = (at: number, what: string) => [...what].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate, true);
  view.setUint16(32, 1, true);
  view.setUint16(34, 8, true);
  text(36, "data");
  view.setUint32(40, rate * seconds, true);
  for (let i = 0; i < rate * seconds; i += 1) bytes[44 + i] = 128 + 20 * Math.sin((i / rate) * 2 * Math.PI * 110);
  return (url = URL.createObjectURL(new Blob([bytes], { type: "audio/wav" })));
}
