package metadata

// WatchLists decodes a file. It calls watch for each item of each list, with the fewest bytes that
// an item of this list can have, and with the bytes of this item.
func WatchLists(data []byte, watch func(list string, fewest, size int)) error {
	c := &codec{reading: true, data: data, watch: watch}
	c.file(&Checkpoint{})
	if c.err != nil {
		return c.err
	}
	return nil
}
