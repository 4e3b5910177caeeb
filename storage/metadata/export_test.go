package metadata

// WatchLists decodes a file. It calls watch for each item of each list. fewest is how few bytes an
// item of this list can have. size is how many bytes this item has.
func WatchLists(data []byte, watch func(list string, fewest, size int)) error {
	c := &codec{reading: true, data: data, watch: watch}
	c.file(&Checkpoint{})
	if c.err != nil {
		return c.err
	}
	return nil
}
