// Package place says which names mean the same place. The names of an S3 store may have the schemes
// s3, s3a, s3n and s3p. The names of an Azure store may have the schemes azblob, abfs, abfss, wasb
// and wasbs. A name on HDFS may contain the NameNode's address, its name service, or no host. Flink
// records the name from its own configuration. Package place uses the environment to find the other
// names: HADOOP_CONF_DIR, and the variables that name the Azure account.
//
// For a local path, only [Local] and [MountsBelow] look at links and mounts. To compare local
// files, use [filesystem.FileID]. The package never connects to a store.
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

const nameNodePort = "8020" // Hadoop's default port

// stores maps a scheme to the standard scheme of its store. It has an entry for each scheme of the
// stores that have several schemes.
var stores = map[string]string{
	"s3": "s3", "s3a": "s3", "s3n": "s3", "s3p": "s3",
	"azblob": "azblob", "abfs": "azblob", "abfss": "azblob", "wasb": "azblob", "wasbs": "azblob",
}

// Places knows which names mean the same place. The zero value has no configuration. It knows only
// those names that mean the same place in every configuration.
type Places struct {
	hadoop  hadoopconf.HadoopConf
	broken  error  // the reason why Hadoop's configuration could not be read; nil if it was read
	account string // the Azure account of a container whose name contains no account
}

// FromEnvironment returns the places that this process's environment describes. If Hadoop's
// configuration cannot be read, FromEnvironment does not fail; [Places.NameNodes] returns the error
// later.
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

// Name returns the standard name of a place, which is the same for all names of that place. If the
// scheme is not known, Name only changes the host to lower case.
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
// configured account, its standard name contains no account. Otherwise the standard name has the
// form container@account. Hadoop writes container@account.dfs.core.windows.net.
func (p *Places) container(authority string) string {
	name, host, _ := strings.Cut(authority, "@")
	account, _, _ := strings.Cut(strings.ToLower(host), ".")
	if account == "" || account == strings.ToLower(p.account) {
		return name
	}
	return name + "@" + account
}

// nameNode returns the standard name of a NameNode: its name service, or its address with a port if
// it has no name service. If the name has no host and the configuration names no host either, the
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

// defaultFileSystem returns the file system that Hadoop's configuration uses for a name without a
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

// addresses lists the addresses of the NameNodes that belong to a name service.
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

// NameNodes returns the addresses at which a NameNode may answer. A name service has several
// addresses. The parameter "on" is a file system, as [filesystem.Split] returns it.
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

// errNoNameNode says that a name has no host, and that the configuration does not name a NameNode.
var errNoNameNode = errors.New("the NameNode of hdfs:/ is unknown: set " + HadoopVariable + " to the directory of core-site.xml, or add --rebase hdfs:///=hdfs://NAMENODE:8020/")

// Known lists the stores that can be reached, each with one of its schemes. Some stores have other
// schemes as well, for example s3a and abfss.
func Known() []string { return []string{"file", "hdfs", "s3", "gs", "azblob"} }

// UnknownError says that a store cannot be reached, because its scheme or its host is unknown. It
// does not say that the file is missing.
type UnknownError struct {
	Name string
	Err  error // why the host is unknown; nil if the scheme is unknown
}

func (e *UnknownError) Error() string { return e.Name + ": " + e.Why() }

// Why returns the error's reason without the name.
func (e *UnknownError) Why() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("this store cannot be reached: want one of the schemes %s, got %s", strings.Join(Known(), ", "), filesystem.Scheme(e.Name))
}

// Unwrap returns the reason why the host is unknown.
func (e *UnknownError) Unwrap() error { return e.Err }
