"""Figure skeletons: what is drawn and how it looks. The browser's player fills them with numbers."""
