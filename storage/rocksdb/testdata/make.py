# Makes the tables in this directory, with RocksDB itself: pip install rocksdict==0.3.29; python make.py
import glob, os, random, shutil, tempfile
import rocksdict as r


def make(name, version=5, checksum="xxh3", compression="snappy", index="binary_search", bloom=False, restart=1):
    options, table = r.Options(raw_mode=True), r.BlockBasedOptions()
    options.set_compression_type(getattr(r.DBCompressionType, compression)())
    table.set_format_version(version)
    table.set_checksum_type(getattr(r.ChecksumType, checksum)())
    table.set_block_size(256)
    table.set_index_type(getattr(r.BlockBasedIndexType, index)())
    table.set_index_block_restart_interval(restart)
    if index != "binary_search":
        table.set_metadata_block_size(512)
    if index == "hash_search":
        options.set_prefix_extractor(r.SliceTransform.create_fixed_prefix(8))
    if bloom:
        table.set_bloom_filter(10, False)
        table.set_partition_filters(index == "two_level_index_search")
    options.set_block_based_table_factory(table)
    with tempfile.TemporaryDirectory() as directory:
        db, rnd = r.Rdict(directory, options), random.Random(1)
        for i in range(300):
            db[b"common-prefix-of-key-%08d" % (i * 7)] = b"value-%d" % rnd.randrange(10**6) * 2
        db.flush()
        db.close()
        shutil.copy(glob.glob(directory + "/*.sst")[0], name + ".sst")


os.chdir(os.path.dirname(os.path.abspath(__file__)))
for version in (2, 3, 4, 6):
    make("version-%d" % version, version, bloom=True)
for checksum in ("crc32c", "xxhash64", "no_checksum"):
    make("checksum-" + checksum, checksum=checksum)
for compression in ("none", "bz2", "lz4", "zstd"):
    make("compression-" + compression, compression=compression)
for version in (5, 6):
    make("partitioned-%d" % version, version, index="two_level_index_search", bloom=True, restart=4)
make("hash", index="hash_search")
make("restart-16", restart=16, bloom=True)
