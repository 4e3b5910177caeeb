// Package place says which names mean one place. An S3 store has the schemes s3, s3a, s3n and s3p.
// An Azure store has azblob, abfs, abfss, wasb and wasbs. A NameNode is known by its address, by
// its name service, or by no name at all. Flink records the name from its own configuration.
// Package place finds the other names in the environment: in HADOOP_CONF_DIR and in the variables
// that name the Azure account.
//
// It does not resolve links or mounts of local paths, except in [Local] and [MountsBelow];
// [filesystem.FileID] identifies local files. It never connects to a store.
//
// Start with [Places].
package place

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/colinmarc/hdfs/v2/hadoopconf"

	"github.com/snapback/snapback/storage/filesystem"
)

// Environment variables that this package reads.
const (
	HadoopVariable     = "HADOOP_CONF_DIR"
	accountVariable    = "AZURE_STORAGE_ACCOUNT"
	connectionVariable = "AZURE_STORAGE_CONNECTION_STRING"
	connectionOther    = "AZURE_STORAGEBLOB_CONNECTIONSTRING"
)

const nameNodePort = "8020" // Hadoop's default

// stores maps each scheme of a store with several schemes to the scheme that stands for all of
// them.
var stores = map[string]string{
	"s3": "s3", "s3a": "s3", "s3n": "s3", "s3p": "s3",
	"azblob": "azblob", "abfs": "azblob", "abfss": "azblob", "wasb": "azblob", "wasbs": "azblob",
}

// Places knows the names of places. The zero value knows everything that needs no configuration.
type Places struct {
	hadoop  hadoopconf.HadoopConf
	broken  error  // why Hadoop's configuration could not be read
	account string // the Azure account of containers that are named without an account
}

// FromEnvironment returns the places that this process's environment describes. An error in
// Hadoop's configuration is reported later, by [Places.NameNodes].
func FromEnvironment() *Places {
	p := &Places{account: azureAccount()}
	dir := os.Getenv(HadoopVariable)
	if dir == "" {
		return p
	}
	var err error
	if p.hadoop, err = hadoopconf.Load(dir); err != nil {
		p.broken = fmt.Errorf("%s=%s: %w", HadoopVariable, dir, err)
	} else if p.hadoop == nil {
		p.broken = fmt.Errorf("%s=%s: want core-site.xml or hdfs-site.xml in it, found neither", HadoopVariable, dir)
	}
	return p
}

func azureAccount() string {
	if account := os.Getenv(accountVariable); account != "" {
		return account
	}
	connection := os.Getenv(connectionVariable)
	if connection == "" {
		connection = os.Getenv(connectionOther)
	}
	for _, pair := range strings.Split(connection, ";") {
		if account, found := strings.CutPrefix(pair, "AccountName="); found {
			return account
		}
	}
	return ""
}

// Name returns the one name that stands for all names of a place. An unknown name stays unchanged,
// except that its host is in lower case.
func (p *Places) Name(name string) string {
	if p == nil {
		p = &Places{}
	}
	scheme := filesystem.Scheme(name)
	if scheme == "file" {
		return name
	}
	on, at := filesystem.Split(name)
	authority := strings.TrimPrefix(on, scheme+"://")
	switch {
	case stores[scheme] == "azblob":
		return "azblob://" + p.container(authority) + at
	case stores[scheme] != "":
		return stores[scheme] + "://" + authority + at
	case scheme == "hdfs":
		return p.nameNode(authority) + at
	}
	return scheme + "://" + strings.ToLower(authority) + at
}

// container returns the standard name of an Azure container. If the container lies in the
// configured account, the name has no account. Otherwise the name has the form container@account.
// Hadoop writes container@account.dfs.core.windows.net.
func (p *Places) container(authority string) string {
	name, host, _ := strings.Cut(authority, "@")
	account, _, _ := strings.Cut(strings.ToLower(host), ".")
	if account == "" || account == strings.ToLower(p.account) {
		return name
	}
	return name + "@" + account
}

// nameNode returns the standard name of a NameNode. This is the name service if the NameNode has
// one, else the address with a port. If the name has no host and no configuration gives one, the
// result is hdfs:// alone.
func (p *Places) nameNode(authority string) string {
	if authority == "" {
		name := p.defaultFileSystem()
		if on, _ := filesystem.Split(name); filesystem.Scheme(name) == "hdfs" && on != "hdfs://" {
			return p.nameNode(strings.TrimPrefix(on, "hdfs://"))
		}
		return "hdfs://"
	}
	authority = strings.ToLower(authority)
	services := p.services()
	if slices.Contains(services, authority) {
		return "hdfs://" + authority
	}
	address := withPort(authority)
	for _, service := range services {
		if slices.Contains(p.addresses(service), address) {
			return "hdfs://" + service
		}
	}
	return "hdfs://" + address
}

// defaultFileSystem returns the file system that Hadoop's configuration gives to names without a
// host.
func (p *Places) defaultFileSystem() string {
	for _, key := range []string{"fs.defaultFS", "fs.default.name"} {
		if name, err := filesystem.ParseName(strings.TrimSuffix(strings.TrimSpace(p.hadoop[key]), "/") + "/"); err == nil {
			return name
		}
	}
	return ""
}

// services lists the name services. A name service is one name for several NameNodes.
func (p *Places) services() []string { return list(strings.ToLower(p.hadoop["dfs.nameservices"])) }

// addresses lists the addresses of the NameNodes of a name service.
func (p *Places) addresses(service string) []string {
	var all []string
	for key, value := range p.hadoop {
		key = strings.ToLower(key)
		if key == "dfs.namenode.rpc-address."+service || strings.HasPrefix(key, "dfs.namenode.rpc-address."+service+".") {
			all = append(all, withPort(strings.ToLower(strings.TrimSpace(value))))
		}
	}
	slices.Sort(all)
	return all
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return net.JoinHostPort(address, nameNodePort)
	}
	return address
}

// NameNodes returns the addresses at which a NameNode may answer. A name service has several. on is
// the file system of a name, as returned by [filesystem.Split].
func (p *Places) NameNodes(on string) ([]string, error) {
	if p.broken != nil {
		return nil, p.broken
	}
	name := p.nameNode(strings.TrimPrefix(on, "hdfs://"))
	if name == "hdfs://" {
		return nil, errNoNameNode
	}
	authority := strings.TrimPrefix(name, "hdfs://")
	if addresses := p.addresses(authority); len(addresses) > 0 {
		return addresses, nil
	}
	if slices.Contains(p.services(), authority) {
		return nil, fmt.Errorf("%s: hdfs-site.xml has no dfs.namenode.rpc-address for the name service %s", os.Getenv(HadoopVariable), authority)
	}
	return []string{withPort(authority)}, nil
}

// errNoNameNode says that a name has no host, and that the configuration names no NameNode.
var errNoNameNode = errors.New("the NameNode of hdfs:/ is unknown: set " + HadoopVariable + " to the directory of core-site.xml, or add --rebase hdfs:///=hdfs://NAMENODE:8020/")

// Known lists one scheme of each store that can be reached. Some stores have other schemes as well,
// for example s3a and abfss.
func Known() []string { return []string{"file", "hdfs", "s3", "gs", "azblob"} }

// UnknownError says that a store cannot be reached, because its scheme or its host is unknown. It
// does not say that the file is missing.
type UnknownError struct {
	Name string
	Err  error // nil for an unknown scheme
}

func (e *UnknownError) Error() string { return e.Name + ": " + e.Why() }

// Why returns the reason without the name.
func (e *UnknownError) Why() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("this store cannot be reached: want one of the schemes %s, got %s", strings.Join(Known(), ", "), filesystem.Scheme(e.Name))
}

// Unwrap returns the reason why the host is unknown.
func (e *UnknownError) Unwrap() error { return e.Err }
