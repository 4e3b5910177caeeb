package metadata

// WatchLists decodes a file. It calls the given function for each item of each list. The argument
// "fewest" is the smallest number of bytes that an item of this list can have. The argument "size"
// is the number of bytes of this item.
func WatchLists(data []byte, watch func(list string, fewest, size int)) error {
	c := &codec{reading: true, data: data, watch: watch}
	c.file(&Checkpoint{})
	if c.err != nil {
		return c.err
	}
	return nil
}
