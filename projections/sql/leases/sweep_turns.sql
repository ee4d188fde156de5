-- A clock behind its renderer's says nothing: whoever has none begins at the renderer's.
delete from work.turns t using work.renderers r where r.renderer = t.renderer and t.clock <= r.clock
