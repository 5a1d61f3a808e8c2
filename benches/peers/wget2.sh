# Fetches urls.txt, writes the pages to files, parses nothing: what fetching alone costs.
exec wget2 --quiet --max-threads=8 --no-robots --input-file=urls.txt --directory-prefix=pages
