//! Sound that players know without a decoder: a soft chord as WAV.

/// Samples a second; each has two bytes.
const RATE: u32 = 22_050;

/// A file of so many seconds, from this pitch up.
pub fn wav(seconds: u32, base: f64) -> Vec<u8> {
    let samples = seconds * RATE;
    let mut bytes = Vec::with_capacity(44 + samples as usize * 2);
    bytes.extend(b"RIFF");
    bytes.extend((36 + samples * 2).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(RATE.to_le_bytes());
    bytes.extend((RATE * 2).to_le_bytes());
    bytes.extend([2, 0, 16, 0]);
    bytes.extend(b"data");
    bytes.extend((samples * 2).to_le_bytes());
    for n in 0..samples {
        let at = f64::from(n) / f64::from(RATE);
        let swell = 0.5 - 0.5 * (at * std::f64::consts::TAU / 8.0).cos();
        let tone = |ratio: f64| (at * base * ratio * std::f64::consts::TAU).sin();
        let value = (tone(1.0) + tone(1.25) + tone(1.5)) / 3.0 * swell * 12_000.0;
        bytes.extend((value as i16).to_le_bytes());
    }
    bytes
}
