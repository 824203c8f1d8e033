//! Every screen with real data: nothing that axe objects to, and pictures of them when asked for.
