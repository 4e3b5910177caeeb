package metadata

// WatchLists reads a file, and calls watch with each thing of each list: the fewest bytes that
// the list's things can have, and those of this one.
func WatchLists(data []byte, watch func(list string, fewest, size int)) error {
	c := &codec{reading: true, data: data, watch: watch}
	c.file(&Checkpoint{})
	if c.err != nil {
		return c.err
	}
	return nil
}
