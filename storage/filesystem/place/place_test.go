package place_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/snapback/snapback/storage/filesystem/place"
)

func ExamplePlaces_Name() {
	var places place.Places
	for _, name := range []string{"s3a://bucket/a", "s3p://bucket/a", "hdfs://NameNode/a", "/a"} {
		fmt.Println(places.Name(name))
	}
	// Output:
	// s3://bucket/a
	// s3://bucket/a
	// hdfs://namenode:8020/a
	// /a
}

// An error in Hadoop's configuration must affect names on HDFS, and must not affect other names.
func TestHadoopsConfigurationIsReadForHDFSAlone(t *testing.T) {
	broken, empty := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "core-site.xml"), []byte("<configuration><property>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		broken: broken + ": XML syntax error", empty: "want core-site.xml or hdfs-site.xml in it, found neither", "/nowhere": "found neither", "": "the NameNode of hdfs:/ is unknown",
	} {
		t.Setenv(place.HadoopVariable, dir)
		places := place.FromEnvironment()
		if _, err := places.NameNodes("hdfs://"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %s, got %v", dir, want, err)
		}
		if name := places.Name("s3a://bucket/a"); name != "s3://bucket/a" {
			t.Errorf("got %s", name)
		}
	}
}

func TestTheAddressesOfANameServiceAreKnown(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hdfs-site.xml"), []byte(`<configuration>
<property><name>dfs.nameservices</name><value> prod , bare</value></property>
<property><name>dfs.namenode.rpc-address.prod.nn2</name><value>two:9000</value></property>
<property><name>dfs.namenode.rpc-address.prod.nn1</name><value>one</value></property></configuration>`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(place.HadoopVariable, dir)
	places := place.FromEnvironment()
	for on, want := range map[string]string{"hdfs://prod": "[one:8020 two:9000]", "hdfs://one": "[one:8020 two:9000]", "hdfs://three:1": "[three:1]"} {
		if got, err := places.NameNodes(on); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: want %s, got %s, %v", on, want, got, err)
		}
	}
	if _, err := places.NameNodes("hdfs://bare"); err == nil || !strings.Contains(err.Error(), "has no dfs.namenode.rpc-address for the name service bare") {
		t.Errorf("got %v", err)
	}
}

// Local must return both the name of a link and the name of the directory that the link points to.
// Package audit tests mounts.
func TestALinkAndItsPlaceAreNamesOfOneDirectory(t *testing.T) {
	dir := t.TempDir()
	link := dir + "-link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(link) }() // if this fails, the link that stays does no harm
	if names, complete := place.Local(link); !complete || len(names) != 2 || names[0] != link || names[1] != dir {
		t.Errorf("got %q, %v", names, complete)
	}
	if names, complete := place.Local("/nowhere/at/all"); !complete || len(names) != 1 {
		t.Errorf("got %q, %v", names, complete)
	}
}
