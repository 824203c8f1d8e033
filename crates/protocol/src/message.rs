//! §2.3 Message codecs.
