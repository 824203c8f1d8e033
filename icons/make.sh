#!/usr/bin/env bash
# Makes every picture here from the drawings: app.svg → sizes, icon.ico, icon.icns; tray/*.svg → PNG in two inks.
# Needs Node: npx fetches Tauri's command line.
set -euo pipefail
cd "$(dirname "$0")"
tauri() { npx --yes @tauri-apps/cli@2 icon "$@" > /dev/null; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

tauri app.svg --output "$work/app"
for name in 32x32.png 128x128.png 128x128@2x.png icon.png icon.ico icon.icns; do cp "$work/app/$name" .; done
tauri app.svg --png 16 --png 24 --png 48 --png 64 --png 256 --output "$work/sizes"
cp "$work"/sizes/*.png .

for drawing in tray/*.svg; do
  name=$(basename "$drawing" .svg)
  for ground in light dark; do
    # Dark ink on a light panel, light ink on a dark one. The red of a lost route is each theme's own.
    case $ground in light) ink=161A17 red=AD231B;; dark) ink=E9EDEA red=FF938A;; esac
    sed "s/#161A17/#$ink/g; s/#AD231B/#$red/g" "$drawing" > "$work/$name.svg"
    tauri "$work/$name.svg" --png 32 --png 64 --output "$work/tray"
    cp "$work/tray/64x64.png" "tray/$name-on-$ground.png"
  done
done
