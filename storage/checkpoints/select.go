package checkpoints

import (
	"fmt"
	"strings"

	"github.com/snapback/snapback/storage"
	"github.com/snapback/snapback/storage/configuration"
	"github.com/snapback/snapback/storage/filesystem"
)

// Select returns the checkpoint storage of a job, by Flink's rule. If the configuration names a
// storage, Select returns that storage. If the configuration names only a checkpoint directory,
// Select returns a [FileSystemStorage]. Otherwise it returns a [JobManagerStorage]. A key of the
// job's own configuration overrides the same key of the cluster's.
func Select(files filesystem.FileSystem, cluster, own configuration.Configuration, job string) (Storage, error) {
	c := configuration.Merge(cluster, own)
	dir, _, hasDir := c.Find(configuration.Dir)
	subdir, err := c.Bool(configuration.CreateSubdir)
	if err != nil {
		return nil, err
	}
	messageMax, err := c.Bytes(configuration.FrameSize)
	if err != nil {
		return nil, err
	}
	name, key, named := c.Find(configuration.Storage)
	if !named {
		name = storage.JobManagerName
		if hasDir {
			name = storage.FileSystemName
		}
	}
	switch strings.ToLower(name) {
	case storage.JobManagerName:
		return selectJobManager(files, c, dir, job, messageMax, subdir)
	case storage.FileSystemName:
		if !hasDir {
			return nil, fmt.Errorf("%s is %s, but there is no checkpoint directory: set %s", key, name, configuration.Dir.Key)
		}
		return selectFileSystem(files, c, dir, job, messageMax, subdir)
	default:
		return nil, fmt.Errorf("%s: want %s or %s, got %q", key, storage.JobManagerName, storage.FileSystemName, name)
	}
}

func selectJobManager(files filesystem.FileSystem, c configuration.Configuration, dir, job string, messageMax int64, subdir bool) (Storage, error) {
	options := DefaultJobManagerOptions()
	options.MessageMax, options.FlatDirectory = messageMax, !subdir
	var err error
	if options.Budget, err = c.Bytes(configuration.Heap); err != nil {
		return nil, err
	}
	return NewJobManagerStorage(files, dir, job, options)
}

func selectFileSystem(files filesystem.FileSystem, c configuration.Configuration, dir, job string, messageMax int64, subdir bool) (Storage, error) {
	options := DefaultFileSystemOptions()
	options.MessageMax, options.FlatDirectory = messageMax, !subdir
	options.EntropyKey = c.Text(configuration.EntropyKey)
	var err error
	if options.InlineMax, err = c.Bytes(configuration.InlineMax); err != nil {
		return nil, err
	}
	if options.WriteBuffer, err = c.Int(configuration.WriteBuffer); err != nil {
		return nil, err
	}
	if options.EntropySize, err = c.Int(configuration.EntropySize); err != nil {
		return nil, err
	}
	return NewFileSystemStorage(files, dir, job, options)
}
