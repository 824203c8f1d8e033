/** QR codes of links: drawn as one path, read from pictures, written as PNG. */
import encodeQR from "qr";
import decodeQR from "qr/decode.js";

/** Quiet modules around the code, as the standard asks for when it stands on white of its own. */
const QUIET = 2;

export interface Qr {
  /** Modules on a side, quiet ones included. */
  size: number;
  /** Dark modules, as path data in a box of `size`. */
  path: string;
}

/** None when the text is too long for a code. */
export function qrOf(text: string): Qr | null {
  let rows: boolean[][];
  try {
    rows = encodeQR(text, "raw", { ecc: "medium", border: QUIET });
  } catch {
    return null;
  }
  let path = "";
  rows.forEach((row, y) => {
    for (let x = 0; x < row.length; x += 1) {
      if (!row[x]) continue;
      let run = 1;
      while (row[x + run]) run += 1;
      path += `M${x} ${y}h${run}v1h${-run}z`;
      x += run;
    }
  });
  return { size: rows.length, path };
}

/** The code as a PNG, each module `scale` px. */
export async function qrPicture(text: string, scale = 8): Promise<Uint8Array | null> {
  const qr = qrOf(text);
  if (!qr) return null;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = qr.size * scale;
  const context = canvas.getContext("2d");
  if (!context) return null;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(scale, scale);
  context.fillStyle = "#000";
  context.fill(new Path2D(qr.path));
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  return blob && new Uint8Array(await blob.arrayBuffer());
}

/** Largest edge of a picture that is searched; larger ones are made smaller first. */
const EDGE = 1600;

/** The text of the QR code in a picture, or null. */
export async function readQr(picture: Blob): Promise<string | null> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(picture);
  } catch {
    return null;
  }
  const shrink = Math.min(1, EDGE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [Math.round(bitmap.width * shrink), Math.round(bitmap.height * shrink)];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context || width === 0 || height === 0) return null;
  // Codes on a transparent ground are read as on white.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  try {
    return decodeQR(context.getImageData(0, 0, width, height));
  } catch {
    return null;
  }
}
